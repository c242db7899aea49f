# Puts a damaged release aside, so that it can be made anew at its path.
cd "$path" || die "$path is gone"
rm -rf ".rollpin/aside-$id" && mv "releases/$id" ".rollpin/aside-$id" || die "cannot move release $id aside"
