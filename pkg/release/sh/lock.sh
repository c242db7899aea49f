# Prints the lock of a release, also of one that was put aside to be made anew: every node may be doing that at once.
lock=$path/releases/$id/rollpin.lock
[ -f "$lock" ] || lock=$path/.rollpin/aside-$id/rollpin.lock
facts lock <"$lock" || die "release $id has no lock on the node"
