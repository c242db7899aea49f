# Turns an installed directory into a release: the lock, one date for all files, the manifest, and last the record.

# Whatever serves users on the node comes first.
renice -n 10 -p $$ >/dev/null 2>&1

cd "$path/releases/$id" || die "nothing was installed at $path/releases/$id"
printf '%s' "$lock" >rollpin.lock || die "cannot write to $path/releases/$id"
odd=$(find . \( -name "*[$(printf '\r')
	\\\\]*" -o ! -type f ! -type d ! -type l \) -print | head -n 1)
[ -z "$odd" ] || die "$path/releases/$id has what no manifest can name: $odd is no file, directory or link, or has a tab, line break or backslash in its name"
if [ -n "$date" ]; then
	TZ=UTC0 find . ! -type l -exec touch -t "$date" {} + || die "cannot set the dates of the files in $path/releases/$id"
fi
survey >rollpin.manifest.new && [ -s rollpin.manifest.new ] && mv -f rollpin.manifest.new rollpin.manifest ||
	die "cannot list the files of $path/releases/$id"
[ -z "$date" ] || TZ=UTC0 touch -t "$date" rollpin.manifest || die "cannot set the date of the manifest of $path/releases/$id"
! grep -q "$tab$tab" rollpin.manifest || die "cannot compute the digests of $path/releases/$id"
digest=$(digest_of rollpin.manifest) && [ ${#digest} = 64 ] || die "cannot compute the digest of $path/releases/$id"
printf '%s\n' "$record" | sed "s/@DIGEST@/$digest/" >release.json.new && [ -s release.json.new ] && mv -f release.json.new release.json ||
	die "cannot write release.json"
facts record <release.json
