# Ends what aside began: the release that was made anew stays; if there is none, the damaged one comes back, with its lock.
cd "$path" || die "$path is gone"
[ -d ".rollpin/aside-$id" ] || exit 0
if [ -s "releases/$id/release.json" ]; then
	rm -rf ".rollpin/aside-$id"
else
	rm -rf "releases/$id" && mv ".rollpin/aside-$id" "releases/$id" || die "cannot bring release $id back"
fi
