# shellcheck shell=sh disable=SC2154,SC2016,SC2317
# pm2 keeps the path and the working directory that an app was started with, and a restart takes them again. Started as PATH/current/…, the app
# follows the link. Started from inside current, or by a path under releases, it would come back as the old release: that is refused, with the fix.
# A restart keeps the app's environment (no --update-env): the one of an SSH session is not the app's.

# ask: one line for each process of the app, as pm2 knows it. The daemon must run: asking would start another one.
ask() {
	pm2 jlist 2>/dev/null </dev/null | node -e '
		let all = null
		for (const line of require("fs").readFileSync(0, "utf8").split("\n")) {
			if (line.startsWith("[")) try { all = JSON.parse(line) } catch (e) { /* pm2 says more than JSON at times */ }
		}
		if (!all) process.exit(1)
		const word = value => String(value === 0 ? 0 : value || "-").replace(/[\r\n\t]/g, " ")
		for (const app of all.filter(app => app.name === process.argv[1])) {
			const env = app.pm2_env || {}
			const release = [env.pm_exec_path, env.pm_cwd].find(path => /\/releases\/[^/]+(\/|$)/.test(path || ""))
			const fields = [env.status, app.pid || 0, env.restart_time || 0, env.exit_code, release, env.pm_out_log_path, env.pm_err_log_path]
			console.log(fields.map(word).join("\t"))
		}' -- "$name"
}

# look: the worst of the app's processes into $mood (run, busy, bad), the others for the reason.
look() {
	mood='' how='' pids='' restarts=0 fixed='' logs=''
	shown=$(ask) || trouble 'pm2 jlist gives no list of apps' 'try it on the node: pm2 jlist'
	tab=$(printf '\t')
	while IFS=$tab read -r word pid count code release out err; do
		case $word in
		'') continue ;;
		online) [ -n "$mood" ] || mood=run ;;
		launching | stopping) [ "$mood" = bad ] || mood=busy ;;
		*)
			mood=bad how="$word"
			[ "$code" = - ] || how="$how: exit code $code"
			;;
		esac
		[ "$pid" = 0 ] || pids="$pids $pid"
		restarts=$((restarts + count))
		[ "$release" = - ] || fixed=$release
		logs="$out$tab$err"
	done <<-EOF
		$shown
	EOF
}

known() {
	has pm2 || trouble 'pm2 is not in PATH' 'log-in shells may have it where scripts have not: link pm2 and node into /usr/local/bin'
	has node || trouble 'node is not in PATH' 'link node into /usr/local/bin'
	daemon=$(cat "${PM2_HOME:-$HOME/.pm2}/pm2.pid" 2>/dev/null)
	kill -0 "${daemon:-none}" 2>/dev/null ||
		trouble "no pm2 runs for user $(id -un)" 'pm2 belongs to the user who started it: log in as that one, without ssh.become; after a reboot: pm2 resurrect'
	look
	[ -n "$shown" ] || trouble "pm2 of user $(id -un) knows no app $name" \
		"deploy once with --restart none, then on the node: pm2 start PATH/current/node_modules/.bin/PROGRAM --name $name --cwd / && pm2 save"
	[ -z "$fixed" ] || trouble "pm2 starts $name from $fixed, whatever current is" \
		"on the node: pm2 delete $name && pm2 start ${fixed%%/releases/*}/current/… --name $name --cwd / && pm2 save"
}

# written: the app's own logs, standard error last.
written() {
	for file in "${logs%%"$tab"*}" "${logs#*"$tab"}"; do
		[ ! -r "$file" ] || tail -n "$lines" "$file"
	done | log
}

down() {
	written
	die "$1"
}

# hold: pm2 takes about half a second to answer, so fewer rounds make the second.
hold() {
	[ "$watch" -lt 3 ] || watch=3
	while :; do
		look
		[ "$restarts" -le "$most" ] || down "$name died and pm2 started it again (restarts $((restarts - most)))"
		case $mood in
		run)
			[ "$watch" -gt 0 ] || return 0
			watch=$((watch - 1))
			;;
		busy) ;;
		*) down "$name is ${how:-gone}" ;;
		esac
		nap
	done
}

# take VERB: restarts count from the one that is ours. Counted from before it, those of an app that was dying all the time would be blamed on it.
take() {
	said=$(pm2 "$1" "$name" 2>&1 </dev/null) || down "pm2 $1 $name: $(last "$said")"
	look
	most=$restarts
	hold
}

known
case $verb in
restart | reload) take "$verb" ;;
stop)
	said=$(pm2 stop "$name" 2>&1 </dev/null) || die "pm2 stop $name: $(last "$said")"
	look
	[ "$mood" = bad ] || die "$name does not stop"
	;;
logs) written ;;
probe)
	# shellcheck disable=SC2086
	set -- $pids
	case $mood/$how in
	run/* | busy/*) state running "${1-}" ;;
	bad/stopped*) state stopped 0 ;;
	*) state failed 0 ;;
	esac
	;;
esac
