# shellcheck shell=sh disable=SC2034,SC2154,SC2317
# What the kinds share. Each kind's text follows this one; $verb is restart, reload, stop, logs or probe, $name what is meant, $lines the length of a log.
LC_ALL=C
export LC_ALL

# POSIX sleep knows whole seconds only. A service is watched for $watch rounds, $pause seconds apart: about a second either way.
pause=0.2 watch=5
sleep 0.01 2>/dev/null || pause=1 watch=1

nap() { sleep "$pause"; }

has() { command -v "$1" >/dev/null 2>&1; }

# trouble TEXT [HINT]: a probe reports it, everything else dies of it.
trouble() {
	if [ "$verb" != probe ]; then
		[ -z "${2-}" ] || fact hint "$2"
		die "$1"
	fi
	fact state unknown
	fact problem "$1"
	[ -z "${2-}" ] || fact hint "$2"
	exit 0
}

# log: each line of standard input as a fact, the last $lines of them, none longer than a screen or two.
log() { tail -n "$lines" | cut -b1-400 | facts log; }

# last TEXT: its last line that says something.
last() { printf '%s\n' "$1" | sed '/^[[:space:]]*$/d; /^See /d' | tail -n 1; }

# born PID: the UNIX time at which it started. Linux counts it in clock ticks since the boot.
born() {
	if [ -r "/proc/$1/stat" ] && [ -r /proc/stat ]; then
		born_boot=$(sed -n 's/^btime //p' /proc/stat)
		born_stat=$(cat "/proc/$1/stat" 2>/dev/null) || return 0
		# shellcheck disable=SC2086 # the fields after the program's name, which may itself hold blanks and parentheses
		set -- ${born_stat##*) }
		[ $# -ge 20 ] || return 0
		shift 19
		echo $((born_boot + $1 / $(getconf CLK_TCK 2>/dev/null || echo 100)))
	elif born_age=$(ps -o etimes= -p "$1" 2>/dev/null) && [ -n "$born_age" ]; then
		echo $(($(date +%s) - born_age))
	fi
}

# state NAME PID: the answer of a probe.
state() {
	fact state "$1"
	case $2 in '' | 0 | *[!0-9]*) return 0 ;; esac
	fact pid "$2"
	state_born=$(born "$2")
	[ -z "$state_born" ] || fact started "$state_born"
}

# allowed TEXT: what to do about a manager's refusal, if it was one.
allowed() {
	case $1 in
	*'uthentication'* | *'ccess denied'* | *'ermission denied'* | *'not permitted'* | *EACCES*)
		echo "user $(id -un 2>/dev/null || id -u) may not do that: set ssh.become: sudo, or give this user the right" ;;
	esac
}

