# Makes the place where the user who logs in may put what is sent for a release.
said=$(mkdir -p "$path/releases" "$path/.rollpin" 2>&1) || die "cannot write to $path: ${said##*: }"
[ ! -s "$path/releases/$id/release.json" ] || die "$path/releases/$id is a finished release already"
in=$path/.rollpin/incoming/$id
said=$({ rm -rf "$in" "$path/releases/$id" && mkdir -p "$in" && chmod 700 "$in"; } 2>&1) || die "cannot write to $path/.rollpin: ${said##*: }"
free=$(df -Pk "$in" 2>/dev/null | awk 'NR==2 {print $4}')
case $free in
'' | *[!0-9]*) ;;
*)
	if [ "$free" -lt "$need" ]; then
		rm -rf "$in"
		fact hint "make room on the node at $path"
		die "No space left for release $id: it needs $((need / 1024 + 1)) MiB at $path, $((free / 1024)) MiB are free"
	fi
	;;
esac
if [ -n "${SUDO_UID-}" ]; then
	# Only root may give a folder away. Any other user leaves it open for writing; what arrives is checked in any case.
	chown "$SUDO_UID" "$in" 2>/dev/null || chmod 1733 "$in" || die "cannot make room for the user who logs in"
fi
fact incoming "$in/bundle"
