# Leaves the prefix as it was before its first deployment.
cd "$prefix" || die "$prefix is gone"
[ -f "$path/releases/$id/release.json" ] || die "what was in $prefix before is not known"
sound "$id" || exit 1
put_back "$id"
cd "$path" && rm -f .rollpin/confirmed current .rollpin/changing || die "cannot remove $path/current"
