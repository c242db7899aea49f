# shellcheck disable=SC2154 # run is assigned above
# Stands in for sudo: the options, prompts, messages and clean environment of the real one, and no change of user.
ask=yes from=tty target=root prompt='[sudo] password for deploy: '
while getopts nSkKHEvp:u: flag; do
	case $flag in
	n) ask=no ;;
	S) from=stdin ;;
	p) prompt=$OPTARG ;;
	u) target=$OPTARG ;;
	k | K | H | E | v) ;;
	*)
		echo "usage: sudo [-nSkKHEv] [-p prompt] [-u user] [command ...]" >&2
		exit 1
		;;
	esac
done
shift $((OPTIND - 1))

if [ -e "$run/sudo.tty" ] && ! [ -t 0 ]; then
	echo "sudo: sorry, you must have a tty to run sudo" >&2
	exit 1
fi

# One read takes one line and not a byte more: the rest of standard input is the command's. Echo is off before the prompt invites anyone to type.
ask_once() {
	saved=''
	if [ -t "$1" ]; then
		saved=$(stty -g <&"$1")
		stty -echo <&"$1"
	fi
	printf '%s' "$prompt" >&2
	IFS= read -r given <&"$1"
	status=$?
	if [ -n "$saved" ]; then
		stty "$saved" <&"$1"
		echo >&2
	fi
	return $status
}

if [ -e "$run/sudo.password" ]; then
	IFS= read -r password < "$run/sudo.password"
	if [ $ask = no ]; then
		echo "sudo: a password is required" >&2
		exit 1
	fi
	if [ $from = stdin ]; then
		exec 4<&0
	elif (: < /dev/tty) 2> /dev/null; then
		exec 4< /dev/tty
	else
		echo "sudo: a terminal is required to read the password; either use the -S option to read from standard input or configure an askpass helper" >&2
		echo "sudo: a password is required" >&2
		exit 1
	fi
	wrong=0
	while :; do
		if ! ask_once 4; then
			echo "sudo: no password was provided" >&2
			[ $wrong -eq 0 ] || echo "sudo: $wrong incorrect password attempt" >&2
			exit 1
		fi
		[ "$given" != "$password" ] || break
		wrong=$((wrong + 1))
		if [ $wrong -ge 3 ]; then
			echo "sudo: 3 incorrect password attempts" >&2
			exit 1
		fi
		echo "Sorry, try again." >&2
	done
	exec 4<&-
fi

[ $# -gt 0 ] || exit 0
home=$run/root
[ "$target" != "$USER" ] || home=$HOME
exec env -i HOME="$home" PATH="$PATH" LANG="$LANG" TMPDIR="$TMPDIR" USER="$target" LOGNAME="$target" SUDO_USER="$USER" "$@"
