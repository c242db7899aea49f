# shellcheck shell=sh disable=SC2154,SC2034,SC2317
# systemctl restart answers 0 for a Type=simple unit that dies at once: only what the unit looks like afterwards tells.
ctl() { SYSTEMD_COLORS=0 systemctl --no-ask-password --no-pager "$@" 2>&1 </dev/null; }

# look: the unit's properties into variables. Old systemds lack some: those stay empty.
look() {
	load='' problem='' active='' sub='' result='' restarts=0 status=0 pid='' invocation='' type='' canreload=''
	shown=$(ctl show -p LoadState -p LoadError -p ActiveState -p SubState -p Result -p NRestarts -p ExecMainStatus -p MainPID \
		-p InvocationID -p Type -p CanReload -- "$name") ||
		trouble "systemctl: $(last "$shown")" "is systemd the init system of this node, and $name the full name of one unit? Other kinds of restart: supervisor, runit, pm2, command"
	while IFS='=' read -r key value; do
		case $key in
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

# journal ARGUMENTS: messages alone, with no header. Only some users may read them.
journal() {
	has journalctl || return 0
	journalctl --sync >/dev/null 2>&1 </dev/null || :
	journalctl -q --no-pager -o cat -n "$lines" "$@" 2>/dev/null </dev/null || :
}

# mark: the time before anything is done, as fine as date can. (--after-cursor loses a line when other units wrote last.)
mark() {
	began=$(date +%s.%N)
	case $began in *[!0-9.]*) began=$(date +%s) ;; esac
}

# down REASON: the end of a restart that did not hold. -u has the application's lines and systemd's own about the unit.
down() {
	journal -u "$name" --since "@$began" | log
	die "$1"
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
	[ "$restarts" = 0 ] || [ "$restarts" = "$before" ] || down "$name died and systemd started it again (restarts $restarts)"
	[ "$invocation" = "$first" ] || down "$name died and was started again"
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
	before=$restarts
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
logs)
	own=''
	[ -z "$invocation" ] || own=$(journal "_SYSTEMD_INVOCATION_ID=$invocation")
	[ -n "$own" ] || own=$(journal -u "$name")
	[ -z "$own" ] || printf '%s\n' "$own" | log
	;;
probe)
	case $active/$sub in
	failed/* | */auto-restart*) state failed 0 ;;
	active/* | reloading/* | activating/*) state running "$pid" ;;
	inactive/*) state stopped 0 ;;
	*) state unknown "$pid" ;;
	esac
	;;
esac
