# Makes the node this deployment's own, or keeps it so: deployments that share no lock meet here. The fact guarded is the holder where the
# node is another's. Without room on the disk, which may be what a rollback is about, it stays without a guard.
said=$(mkdir -p "$path/.rollpin" 2>&1) || die "cannot write to $path: ${said##*: }"
cd "$path/.rollpin" || die "cannot write to $path/.rollpin"
mine=guard.$deployment
trap 'rm -f "$mine"' EXIT
owner=$(sed -n 1p guard 2>/dev/null)
if ! { rm -f "$mine" && printf '%s\n' "$deployment" "$domain" "$holder" >"$mine"; } 2>/dev/null; then
	# What is ours stays ours, if not renewed.
	[ "$owner" != "$deployment" ] || fact guard taken
	mine=
fi
# Of several that link to one name at once, one succeeds.
if [ -n "$mine" ] && ln "$mine" guard 2>/dev/null; then
	fact guard taken
elif [ -e guard ]; then
	owner=$(sed -n 1p guard)
	changed=$(stat -c %Y guard 2>/dev/null || stat -f %m guard 2>/dev/null)
	case $changed in
	'' | *[!0-9]*) changed=0 ;;
	esac
	age=$(($(date +%s) - changed))
	# A date in the future is that of a clock that was wrong, then or now.
	if [ "$owner" != "$deployment" ] && [ "$(sed -n 2p guard)" != "$domain" ] && [ "$age" -lt "$ttl" ] && [ "$age" -gt "-$ttl" ]; then
		fact guarded "$(sed -n 3p guard)"
		die "another deployment is at work here"
	fi
	[ -z "$mine" ] || ! mv -f "$mine" guard || fact guard taken
fi
:
