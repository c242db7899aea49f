# shellcheck disable=SC2086
# Turns an installed directory into a release: the lock, the digest of every file, and last the record.
if command -v sha256sum >/dev/null; then sha256=sha256sum; else sha256='shasum -a 256'; fi
cd "$path/releases/$id" || die "nothing was installed at $path/releases/$id"
printf '%s' "$lock" >rollpin.lock || die "cannot write to $path/releases/$id"
# Byte-code comes and goes while the service runs; what it is made from is listed.
find . -name __pycache__ -prune -o -type f ! -name release.json ! -name files.sha256 -exec $sha256 {} + >files.unsorted &&
	LC_ALL=C sort -k 2 files.unsorted | grep -v ' \./files\.unsorted$' >files.sha256 && rm -f files.unsorted ||
	die "cannot compute the digests of $path/releases/$id"
digest=$($sha256 files.sha256)
digest=${digest%% *}
printf '%s\n' "$record" | sed "s/@DIGEST@/$digest/" >release.json.new && mv -f release.json.new release.json ||
	die "cannot write release.json"
facts record <release.json
