# shellcheck shell=sh disable=SC2154,SC2034,SC2317
# systemctl restart answers 0 for a Type=simple unit that dies at once: only what the unit looks like afterwards tells.
ctl() { SYSTEMD_COLORS=0 systemctl --no-ask-password --no-pager "$@" 2>&1 </dev/null; }

# look: the unit's properties into variables. Old systemds lack some: those stay empty.
look() {
	id=$name load='' problem='' active='' sub='' result='' restarts=0 status=0 pid='' invocation='' type='' canreload=''
	shown=$(ctl show -p Id -p LoadState -p LoadError -p ActiveState -p SubState -p Result -p NRestarts -p ExecMainStatus -p MainPID \
		-p InvocationID -p Type -p CanReload -- "$name") ||
		trouble "systemctl: $(last "$shown")" "is systemd the init system of this node, and $name the full name of one unit? Other kinds of restart: supervisor, runit, pm2, command"
	while IFS='=' read -r key value; do
		case $key in
		Id) id=$value ;;
		LoadState) load=$value ;;
		LoadError) problem=$value ;;
		ActiveState) active=$value ;;
		SubState) sub=$value ;;
		Result) result=$value ;;
		NRestarts) restarts=$value ;;
		ExecMainStatus) status=$value ;;
		MainPID) pid=$value ;;
		InvocationID) invocation=$value ;;
		Type) type=$value ;;
		CanReload) canreload=$value ;;
		esac
	done <<-EOF
		$shown
	EOF
}

# known: there is one unit of that name, and it can be started.
known() {
	has systemctl || trouble 'systemctl is missing: systemd does not run this node' 'choose another kind of restart: supervisor, runit, pm2 or command'
	case $name in
	*[*?[]*) trouble "$name is a pattern of units" 'name one unit; several are restarted together by a target that they are PartOf=' ;;
	esac
	look
	case $load in
	loaded | merged | stub) ;;
	not-found) trouble "systemd knows no unit $name" "write /etc/systemd/system/$name with ExecStart= under the service's current, then: systemctl daemon-reload" ;;
	masked) trouble "unit $name is masked" "systemctl unmask $name" ;;
	*) trouble "unit $name does not load: $load ${problem#* }" "systemd-analyze verify $name" ;;
	esac
}

# ended: how the unit came to its end, as far as systemd still knows.
ended() {
	case $result in
	success) ended_how='it ended by itself' ;;
	exit-code | signal | core-dump) ended_how="$result $status" ;;
	*) ended_how=${result:-unknown} ;;
	esac
	case $result/$status in
	exit-code/0) ended_how='exit-code of a command before or after the main one' ;;
	exit-code/200) ended_how="$ended_how (CHDIR: WorkingDirectory= is missing)" ;;
	exit-code/203) ended_how="$ended_how (EXEC: the program of ExecStart= is missing or cannot be run)" ;;
	exit-code/217) ended_how="$ended_how (USER: the user of User= does not exist)" ;;
	esac
	[ "${restarts:-0}" -eq 0 ] || ended_how="$ended_how (restarts $restarts)"
	echo "$ended_how"
}

# journal ARGUMENTS: only some users may read it.
journal() { ! has journalctl || journalctl -q --no-pager "$@" 2>/dev/null </dev/null || :; }

# messages ARGUMENTS: the last of them alone, with no header. (With --since, -n gives the first ones.)
messages() {
	if [ -n "${began-}" ]; then journal -o cat --since "@$began" "$@" | tail -n "$lines"; else journal -o cat -n "$lines" "$@"; fi
}

# mark: the time before anything is done, as fine as date can. (--after-cursor loses a line when other units wrote last.)
mark() {
	began=$(date +%s.%N)
	case $began in *[!0-9.]*) began=$(date +%s) ;; esac
}

# dying: the invocation to read into $dead, and into $how how it ended if systemd has started the unit again: the present one's log stops in the
# middle of its start then. What died last is known from what systemd wrote of it (since 236).
dying() {
	dead=$invocation how=''
	case $active/$sub/$restarts in failed/* | inactive/* | */auto-restart*) return 0 ;; */ | */0) [ -n "${first-}" ] || return 0 ;; esac
	record=$(journal -r -n 1 -o export ${began:+--since "@$began"} "UNIT=$id" MESSAGE_ID=98e322203f7a4ed290d09fe03c09fe15)
	dead=$(printf '%s\n' "$record" | sed -n 's/^INVOCATION_ID=//p')
	how=$(printf '%s\n' "$record" | sed -n 's/^MESSAGE=.*exited, //p')
	[ "$dead" != "${old-}" ] || how=''
}

# written: the end of the application's log; where it wrote nothing, systemd's own lines about the unit.
written() {
	own=''
	[ -z "$dead" ] || [ "$dead" = "${old-}" ] || own=$(messages "_SYSTEMD_INVOCATION_ID=$dead")
	[ -n "$own" ] || own=$(messages -u "$id")
	[ -z "$own" ] || printf '%s\n' "$own" | log
}

# leftover: systemd warns of a process that outlived the stop of its unit, and starts the next one beside it, which then cannot have the port.
leftover() {
	journal -o cat -n 200 -u "$id" | sed -n 's/.*left-over process \([0-9]*\) (\(.*\)) in control group.*/\1 \2/p' | tail -n 1 |
		while read -r left called; do
			[ "$(cat "/proc/$left/comm" 2>/dev/null)" != "$called" ] ||
				fact hint "process $left ($called) outlived an earlier stop of $id, and may hold its port: on the node: kill $left; KillMode= in the unit lets it live"
		done
}

show() {
	journal --sync >/dev/null
	dying
	written
	leftover
}

# down REASON: the end of a restart that did not hold.
down() {
	show
	die "$1"
}

# again WHAT: it died and was started again.
again() {
	show
	die "$name died${how:+ ($how)} and $1"
}

# died: the unit has failed, even if systemd will try again.
died() {
	case $active/$sub in failed/* | */auto-restart*) down "$name failed: $(ended)" ;; esac
}

# fell: it did not hold. A oneshot that is over did its work.
fell() {
	died
	if [ "$active" = inactive ]; then
		[ "$type/$result" != oneshot/success ] || exit 0
		[ "$result" != success ] || down "$name ended at once with status $status"
		down "$name failed: $(ended)"
	fi
	# A start by hand sets the count to 0; where it does not, it is what it was.
	[ "$restarts" = 0 ] || [ "$restarts" = "$before" ] || again "systemd started it again (restarts $restarts)"
	[ "$invocation" = "$first" ] || again 'was started again'
}

# hold: about a second of watching. A unit on its way up or down is waited for, and that does not count.
hold() {
	look
	first=$invocation
	while :; do
		fell
		if [ "$active" = active ]; then
			[ "$watch" -gt 0 ] || return 0
			watch=$((watch - 1))
		fi
		nap
		look
	done
}

restart() {
	# After a start limit systemd refuses every start until this; the restarts before a rollback count as well.
	ctl reset-failed -- "$name" >/dev/null || :
	look
	before=$restarts old=$invocation
	mark
	said=$(ctl restart -- "$name") && return 0
	look
	[ -n "$(allowed "$said")" ] || died
	refused "cannot restart $name: $(last "$said")"
}

reload() {
	[ "$canreload" = yes ] || trouble "$name cannot reload" 'set ExecReload= in the unit, or action: restart'
	before=$restarts
	mark
	said=$(ctl reload -- "$name") || refused "cannot reload $name: $(last "$said")"
}

refused() {
	advice=$(allowed "$said")
	[ -z "$advice" ] || fact hint "$advice"
	down "$1"
}

known
case $verb in
restart)
	restart
	hold
	;;
reload)
	case $active in active | reloading) reload ;; *) restart ;; esac
	hold
	;;
stop)
	mark
	said=$(ctl stop -- "$name") || refused "cannot stop $name: $(last "$said")"
	;;
logs) show ;;
probe)
	case $active/$sub in
	failed/* | */auto-restart*) state failed 0 ;;
	active/* | reloading/* | activating/*) state running "$pid" ;;
	inactive/*) state stopped 0 ;;
	*) state unknown "$pid" ;;
	esac
	;;
esac
