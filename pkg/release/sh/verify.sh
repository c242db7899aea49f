# shellcheck disable=SC2086
# Sees that every file and link of a release is what was installed. What the service added since is its own affair.
# The fact damaged tells a difference from a comparison that could not be made.
if command -v sha256sum >/dev/null; then sha256=sha256sum; else sha256='shasum -a 256'; fi
cd "$path/releases/$id" || die "release $id is not on the node"
differs() {
	fact damaged yes
	die "release $id is not what was installed: $1"
}
[ -f files.sha256 ] && [ -f files.links ] || differs "its list of files is gone"
found=$(cat files.sha256 files.links | $sha256)
[ "${found%% *}" = "$digest" ] || differs "its list of files has the digest ${found%% *}, recorded is $digest"
while IFS= read -r line; do
	link=${line%% -> *}
	[ "$line" = "$link -> $(readlink "$link")" ] || differs "$link leads elsewhere"
done <files.links
if ! bad=$(LC_ALL=C $sha256 -c files.sha256 2>/dev/null); then
	bad=$(printf '%s\n' "$bad" | grep -v -e ': OK$' -e '^$' | head -n 3 | tr '\n' ' ')
	[ -z "$bad" ] || differs "$bad"
	die "cannot compute the digests of release $id"
fi
