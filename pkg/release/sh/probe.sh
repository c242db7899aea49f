# Reads what the service's directory holds. Writes nothing.
# shellcheck disable=SC2088
case $path in
"~/"*) path=$HOME/${path#"~/"} ;;
esac
fact path "$path"

# The nearest directory that exists decides on space and permission.
above=$path
while [ ! -e "$above" ] && [ "$above" != / ]; do
	above=$(dirname "$above")
done
if [ ! -d "$above" ]; then
	fact problem "$above is not a directory"
	fact hint "move it away, or set path: to another directory"
elif [ ! -w "$above" ] || [ ! -x "$above" ]; then
	fact problem "$(id -un) may not write to $above"
	fact hint "set ssh.become: sudo, or run on the node: sudo install -d -o $(id -un) $path"
fi
# The file system may be read-only although the permissions allow writing.
free=$(df -Pk "$above" 2>/dev/null | awk 'NR==2 {print $4}')
case $free in
'' | *[!0-9]*) fact free 0 ;;
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
for dir in "$path"/releases/*/; do
	[ -d "$dir" ] || continue
	id=$(basename "$dir")
	if [ -f "$dir/release.json" ]; then
		facts record <"$dir/release.json"
	else
		fact leftover "$id"
	fi
done
