# shellcheck shell=sh disable=SC2154,SC2317
# supervisorctl's exit statuses differ between versions: what it prints is what counts.
ctl() { supervisorctl "$@" 2>&1 </dev/null; }

# look: the worst of the programs that $name names into $mood (run, busy, bad), with $worst, $how and $pids for the reason.
look() {
	mood='' worst='' how='' pids='' programs='' strange=''
	shown=$(ctl status "$name")
	while read -r program word rest; do
		case $word in
		RUNNING)
			[ -n "$mood" ] || mood=run
			rest=${rest#pid }
			pids="$pids ${rest%%,*}"
			;;
		STARTING | STOPPING) [ "$mood" = bad ] || mood=busy ;;
		STOPPED | BACKOFF | EXITED | FATAL | UNKNOWN)
			[ "$mood" = bad ] || worst=$program how="$word: $rest"
			mood=bad
			;;
		*)
			[ -z "$program" ] || strange="$program $word $rest"
			continue
			;;
		esac
		programs="$programs $program"
	done <<-EOF
		$shown
	EOF
}

# known: supervisord answers and has such a program.
known() {
	has supervisorctl || trouble 'supervisorctl is missing' 'install supervisor, or choose another kind of restart'
	look
	[ -z "$programs" ] || return 0
	case $strange in
	*'no such process'* | *'no such group'* | *'No such process'* | *'No such group'*)
		trouble "supervisor knows no program $name" "add [program:$name] with command= under the service's current, then: supervisorctl reread && supervisorctl update" ;;
	*'no such file' | *'refused connection'*) trouble "supervisorctl: $strange" 'supervisord does not run: start it, for instance by: systemctl start supervisor' ;;
	esac
	trouble "supervisorctl: ${strange:-no answer about $name}" "$(allowed "$strange")"
}

# tails PROGRAM...: what they printed, standard error last. A program may have only one of the two logs.
tails() {
	for program in "$@"; do
		for channel in stdout stderr; do
			text=$(ctl tail -8000 "$program" "$channel")
			case $text in '' | *': ERROR ('*) ;; *) printf '%s\n' "$text" ;; esac
		done
	done | sed '/^$/d' | log
}

down() {
	# shellcheck disable=SC2086 # names of programs have no blanks
	tails ${worst:-$programs}
	die "$1"
}

# hold: supervisorctl takes a fifth of a second itself, so fewer rounds make the second.
hold() {
	[ "$watch" -lt 3 ] || watch=3
	look
	first=$pids
	while :; do
		case $mood in
		run)
			[ "$pids" = "$first" ] || down "$name died and supervisor started it again"
			[ "$watch" -gt 0 ] || return 0
			watch=$((watch - 1))
			;;
		busy) first='' ;;
		*) down "$worst is $how${said:+ ($said)}" ;;
		esac
		nap
		look
		[ -n "$first" ] || first=$pids
	done
}

# refusals TEXT: the last thing that supervisorctl could not do, but for what is no harm.
refusals() { printf '%s\n' "$1" | sed -n '/ERROR (not running)/d; s/^.*ERROR (\(.*\))$/\1/p; /^\*\*\*/p; /^error:/p' | tail -n 1; }

known
case $verb in
restart)
	said=$(refusals "$(ctl restart "$name")")
	hold
	;;
reload)
	if [ "$mood" = bad ]; then
		said=$(refusals "$(ctl restart "$name")")
	else
		said=$(refusals "$(ctl signal HUP "$name")")
		[ -z "$said" ] || die "cannot send SIGHUP to $name: $said"
	fi
	hold
	;;
stop)
	said=$(refusals "$(ctl stop "$name")")
	look
	[ -z "$pids" ] || die "$name does not stop${said:+: $said}"
	;;
logs)
	# shellcheck disable=SC2086
	tails $programs
	;;
probe)
	case $mood/$how in
	run/* | busy/*) mood=running ;;
	bad/STOPPED*) mood=stopped ;;
	bad/UNKNOWN*) mood=unknown ;;
	*) mood=failed ;;
	esac
	# The oldest process: it tells whether all of them are newer than a release.
	oldest=''
	for pid in $pids; do
		age=$(born "$pid")
		[ -n "$oldest" ] || oldest=$pid oldest_age=$age
		[ "${age:-0}" -ge "${oldest_age:-0}" ] || oldest=$pid oldest_age=$age
	done
	state "$mood" "$oldest"
	;;
esac
