# Makes the place where the user who logs in may put what is sent for a release.
mkdir -p "$path/releases" "$path/.rollpin" || die "cannot write to $path"
[ ! -s "$path/releases/$id/release.json" ] || die "$path/releases/$id is a finished release already"
in=$path/.rollpin/incoming/$id
rm -rf "$in" "$path/releases/$id" && mkdir -p "$in" && chmod 700 "$in" || die "cannot write to $path/.rollpin"
if [ -n "${SUDO_UID-}" ]; then
	# Only root may give a folder away. Any other user leaves it open for writing; what arrives is checked in any case.
	chown "$SUDO_UID" "$in" 2>/dev/null || chmod 1733 "$in" || die "cannot make room for the user who logs in"
fi
fact incoming "$in/bundle"
