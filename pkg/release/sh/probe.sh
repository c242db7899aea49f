# Reads what the service's directory holds. Writes nothing.
# shellcheck disable=SC2088
case $path in
"~/"*) path=${HOME-}/${path#"~/"} ;;
esac
fact path "$path"

# writable DIR: also on a file system that is mounted read-only, test -w says no.
writable() {
	if [ ! -d "$1" ]; then
		fact problem "$1 is not a directory"
		fact hint "move it away, or set path: to another directory"
	elif [ ! -w "$1" ] && [ "$(id -u)" = 0 ]; then
		fact problem "not even root may write to $1: its file system is read-only"
		fact hint "see why it was mounted so, or fell back to it after an error: dmesg on the node"
	elif [ ! -w "$1" ] || [ ! -x "$1" ]; then
		fact problem "$(id -un) may not write to $1"
		fact hint "set ssh.become: sudo, or on the node: sudo install -d -o $(id -un) $path; sudo chown -R $(id -un) $path"
	fi
}

# Where the directory is not there yet, the nearest one above decides on space and permission.
above=$path
while [ ! -e "$above" ] && [ "$above" != / ]; do
	above=$(dirname "$above")
done
writable "$above"
for dir in "$path/releases" "$path/.rollpin"; do
	[ ! -e "$dir" ] || writable "$dir"
done
free=$(df -Pk "$above" 2>/dev/null | awk 'NR==2 {print $4}')
case $free in
'' | *[!0-9]*) ;;
*) fact free $((free * 1024)) ;;
esac

if [ -L "$path/current" ]; then
	link=$(readlink "$path/current")
	fact current "${link#releases/}"
	switched=$(stat -c %Y "$path/current" 2>/dev/null || stat -f %m "$path/current" 2>/dev/null)
	fact switched "${switched:-0}"
elif [ -e "$path/current" ]; then
	fact problem "$path/current is not a symbolic link"
	fact hint "move it away: rollpin makes $path/current a link to a release"
fi
if [ -f "$path/.rollpin/confirmed" ]; then
	facts confirmed <"$path/.rollpin/confirmed"
fi
if [ -f "$path/.rollpin/changing" ]; then
	sed -n 1p "$path/.rollpin/changing" | facts changing
fi
if [ -f "$path/.rollpin/guard" ]; then
	facts guard <"$path/.rollpin/guard"
	guarded=$(stat -c %Y "$path/.rollpin/guard" 2>/dev/null || stat -f %m "$path/.rollpin/guard" 2>/dev/null)
	case $guarded in
	'' | *[!0-9]*) guarded=0 ;;
	esac
	fact guardage $(($(date +%s) - guarded))
fi
for dir in "$path"/releases/*/; do
	[ -d "$dir" ] || continue
	fact release "$(basename "$dir")"
	if [ -f "$dir/release.json" ]; then
		facts record <"$dir/release.json"
	fi
done
for left in "$path"/.rollpin/incoming/* "$path"/.rollpin/outgoing/* "$path"/.rollpin/aside-*; do
	[ ! -e "$left" ] || fact debris "${left#"$path/.rollpin/"}"
done
