# Makes current name the release: old or new at every moment, nothing between.
cd "$path" || die "$path is gone"
[ -f "releases/$id/release.json" ] || die "release $id is not on the node"
if [ -n "$record" ]; then
	printf '%s\n' "$record" >"releases/$id/release.json.new" && mv -f "releases/$id/release.json.new" "releases/$id/release.json" ||
		die "cannot write releases/$id/release.json"
fi
mkdir -p .rollpin && rm -f .rollpin/current && ln -s "releases/$id" .rollpin/current || die "cannot write to $path/.rollpin"
# From here on the node is unconfirmed, whatever happens next.
rm -f .rollpin/confirmed || die "cannot write to $path/.rollpin"
# mv without -T would move the new link into the directory that current names. BSD calls it -h; Python and Node.js know rename(2) itself.
mv -fT .rollpin/current current 2>/dev/null || mv -fh .rollpin/current current 2>/dev/null ||
	python3 -c 'import os; os.rename(".rollpin/current", "current")' 2>/dev/null ||
	node -e 'require("fs").renameSync(".rollpin/current", "current")' 2>/dev/null ||
	die "cannot replace $path/current"
[ "$(readlink current)" = "releases/$id" ] || die "$path/current does not name release $id after the switch"
