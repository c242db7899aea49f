# Leaves the node without a current release, as it was before its first deployment.
cd "$path" || die "$path is gone"
rm -f .rollpin/confirmed current || die "cannot remove $path/current"
