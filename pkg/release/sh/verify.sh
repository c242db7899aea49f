# shellcheck disable=SC2086
# Compares every file of a release with its recorded digest.
if command -v sha256sum >/dev/null; then sha256=sha256sum; else sha256='shasum -a 256'; fi
cd "$path/releases/$id" || die "release $id is not on the node"
found=$($sha256 files.sha256) || die "release $id has no files.sha256"
[ "${found%% *}" = "$digest" ] || die "release $id is not what was installed: its list of files has the digest ${found%% *}, recorded is $digest"
bad=$(LC_ALL=C $sha256 -c files.sha256 2>/dev/null | grep -v ': OK$' | head -n 3 | tr '\n' ' ')
[ -z "$bad" ] || die "release $id is not what was installed: $bad"
