# Sees that every file, directory and link of a release is what was installed. What the service added since is its own affair.
# The fact damaged tells a difference from a comparison that could not be made.
cd "$path/releases/$id" || die "release $id is not on the node"
differs() {
	fact damaged yes
	die "release $id is not what was installed: $1"
}
[ -f rollpin.manifest ] || differs "its manifest is gone"
found=$(digest_of rollpin.manifest) && [ ${#found} = 64 ] || die "cannot compute the digests of release $id"
[ "$found" = "$digest" ] || differs "its manifest has the digest $found, recorded is $digest"
now=$(survey) || die "cannot compute the digests of release $id"
case "$tab$now" in
*"$tab$tab"*) die "cannot compute the digests of release $id" ;;
esac
lost=$(printf '%s\n' "$now" | lacking rollpin.manifest -) || die "cannot compare release $id with its manifest"
if [ -n "$lost" ]; then
	lost=$(printf '%s\n' "$lost" | awk -F "$tab" '{ print $1 == "l" ? $2 : $NF }' | head -n 3 | tr '\n' ' ')
	differs "changed or missing: ${lost% }"
fi
