# Removes what was packed for other nodes.
rm -rf "$path/.rollpin/outgoing/$id" || die "cannot remove $path/.rollpin/outgoing/$id"
