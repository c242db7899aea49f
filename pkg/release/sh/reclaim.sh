# Removes what lend.sh made, with what was put there.
rm -rf "$dir" || die "cannot remove $dir"
