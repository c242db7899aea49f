# shellcheck shell=sh disable=SC2034,SC2154
# Whatever serves users on the node comes first.
renice -n 10 -p $$ >/dev/null 2>&1

# A private folder that goes away with the script, and with it what is named in unfinished; also if the script is ended by a signal.
unfinished=
parent=${TMPDIR:-/tmp}
tmp=$(mktemp -d) || die "the node cannot make a temporary folder: $parent is full or not writable"
trap 'rm -rf "$tmp" ${unfinished:+"$unfinished"}' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM
# Nobody reads on when the connection is gone.
trap 'exit 141' PIPE
# Tools that are ended, and old versions of ensurepip, leave their own temporary files behind.
export TMPDIR="$tmp"

# redacted prints a log without the credentials of URLs.
redacted() { sed 's#//[^/@[:space:]]*@#//****@#g' "$1"; }

# not_killed STATUS WHAT: ends the script if the tool was killed: its own log says nothing of that.
not_killed() {
	[ "$1" = 137 ] || return 0
	fact hint "that is what a node short of memory does: see dmesg there, and give it more or stop something else"
	die "$2: it was killed (status 137)"
}

# failed WHAT REASON: ends the script; the end of the tool's own log goes to standard error.
failed() {
	not_killed $? "$1"
	redacted "$tmp/log" | tail -n 40 >&2
	die "$1: ${2:-$(redacted "$tmp/log" | tail -n 1)}"
}

