# shellcheck shell=sh disable=SC2154
# The user's own line. What it prints goes to a file and not to a pipe: a program that it leaves behind would hold a pipe, and the session with it.
restart() {
	output=$(mktemp 2>/dev/null) || output=/dev/null
	cd / || die 'cannot change to /'
	sh -c "$name" >"$output" 2>&1 </dev/null
	status=$?
	text=$(tail -n "$lines" "$output")
	[ "$output" = /dev/null ] || rm -f "$output"
	[ "$status" -ne 0 ] || return 0
	[ -z "$text" ] || printf '%s\n' "$text" | log
	die "the restart command ended with status $status"
}

case $verb in
restart | reload) restart ;;
probe)
	said=$(sh -n -c "$name" 2>&1) || trouble "the restart command is no shell: $(last "$said")"
	fact state unknown
	;;
esac
