# Removes releases, never the one that current names.
cd "$path/releases" || die "$path/releases is gone"
current=$(readlink ../current)
for id; do
	[ "$current" = "releases/$id" ] && continue
	# Without its record it is no release any more, however far the removal gets.
	rm -f "./$id/release.json" && rm -rf "./$id" && fact removed "$id"
done
