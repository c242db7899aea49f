# shellcheck shell=sh disable=SC2154,SC2317
# sv prints "run: api: (pid 71) 3s; run: log: (pid 70) 9s", "down: api: 1s, normally up, want up", "finish: …", or "fail: api: REASON".
ctl() { sv "$@" 2>&1 </dev/null; }

look() {
	shown=$(ctl status "$name")
	shown=${shown%%;*}
	mood=${shown%%:*} pid=''
	case $shown in *'(pid '*) pid=${shown#*(pid } pid=${pid%%)*} ;; esac
}

known() {
	has sv || trouble 'sv is missing: runit does not run this node' 'choose another kind of restart'
	look
	case $mood in
	run | down | finish) ;;
	*)
		advice=$(allowed "$shown")
		trouble "runit: $(last "$shown")" \
			"${advice:-make a service directory with a program run, link it into the directory that runsvdir watches, or name it by its full path}" ;;
	esac
}

# current: the newest log of svlogd, where such a thing usually is.
current() {
	for dir in "${SVDIR:-/etc/service}" /var/service /service; do
		case $name in /* | .*) dir=$name ;; *) dir=$dir/$name ;; esac
		for file in "$dir/log/main/current" "$dir/log/current" "/var/log/${name##*/}/current" "/var/log/runit/${name##*/}/current"; do
			[ ! -r "$file" ] || { log <"$file" && return 0; }
		done
	done
}

down() {
	current
	die "$1"
}

# restart: sv waits a little itself; what it answers is looked at afterwards.
restart() {
	old=$pid
	said=$(ctl -w 3 restart "$name")
	look
	# The old process may take its time to end: the caller's deadline bounds that.
	while [ "$mood" = run ] && [ -n "$old" ] && [ "$pid" = "$old" ]; do
		case $said in fail* | warning*) die "cannot restart $name: $(last "$said")" ;; esac
		nap
		look
	done
	# It may still run its ./finish. A program that runs for a moment only is never seen in between.
	patience=$((watch * 5))
	while [ "$mood" != run ]; do
		[ "$patience" -gt 0 ] || down "$name does not stay up: it ends as soon as runit starts it"
		patience=$((patience - 1))
		nap
		look
	done
}

# hold: runit starts a service again within a second, so its process is what tells.
hold() {
	first=$pid
	while :; do
		[ "$mood" = run ] || down "$name died: runit says $mood"
		[ "$pid" = "$first" ] || down "$name died and runit started it again"
		[ "$watch" -gt 0 ] || return 0
		watch=$((watch - 1))
		nap
		look
	done
}

known
case $verb in
restart)
	restart
	hold
	;;
reload)
	if [ "$mood" = run ]; then
		said=$(ctl hup "$name") || die "cannot send SIGHUP to $name: $(last "$said")"
	else
		restart
	fi
	hold
	;;
stop)
	said=$(ctl -w 30 stop "$name")
	look
	[ "$mood" = down ] || die "$name does not stop: $(last "$said")"
	;;
logs) current ;;
probe)
	case $mood in
	run) state running "$pid" ;;
	down)
		case $shown in *'want up'*) state failed 0 ;; *) state stopped 0 ;; esac
		;;
	*) state failed 0 ;;
	esac
	;;
esac
