# shellcheck disable=SC2086
# Turns an installed directory into a release: the lock, the digest of every file, the target of every link, and last the record.
if command -v sha256sum >/dev/null; then sha256=sha256sum; else sha256='shasum -a 256'; fi
cd "$path/releases/$id" || die "nothing was installed at $path/releases/$id"
printf '%s' "$lock" >rollpin.lock || die "cannot write to $path/releases/$id"
# Byte-code comes and goes while the service runs; what it is made from is listed.
find . -name __pycache__ -prune -o -type f ! -path ./release.json ! -path './files.*' -exec $sha256 {} + >files.found ||
	die "cannot compute the digests of $path/releases/$id"
find . -name __pycache__ -prune -o -type l -exec sh -c 'for link; do printf "%s -> %s\n" "$link" "$(readlink "$link")"; done' sh {} + >files.linked ||
	die "cannot read the links of $path/releases/$id"
LC_ALL=C sort -k 2 files.found >files.sha256 && LC_ALL=C sort files.linked >files.links && rm -f files.found files.linked ||
	die "cannot write to $path/releases/$id"
digest=$(cat files.sha256 files.links | $sha256)
digest=${digest%% *}
[ ${#digest} = 64 ] || die "cannot compute the digest of $path/releases/$id"
printf '%s\n' "$record" | sed "s/@DIGEST@/$digest/" >release.json.new && [ -s release.json.new ] && mv -f release.json.new release.json ||
	die "cannot write release.json"
facts record <release.json
