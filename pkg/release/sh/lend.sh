# Makes a private place outside of the service's directory where the user who logs in may put a file.
if [ -n "${SUDO_UID-}" ]; then
	# That user may not see the temporary folder of another. Only root may give a folder away, as in admit.sh.
	dir=$(mktemp -d /tmp/rollpin-XXXXXXXXXX) && { chown "$SUDO_UID" "$dir" 2>/dev/null || chmod 1733 "$dir"; }
else
	dir=$(mktemp -d)
fi || die "the node cannot make a temporary folder: ${TMPDIR:-/tmp} is full or not writable"
fact lent "$dir"
