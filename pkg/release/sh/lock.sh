# Prints the lock of a release.
facts lock <"$path/releases/$id/rollpin.lock" || die "release $id has no lock on the node"
