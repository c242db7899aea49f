# shellcheck shell=sh disable=SC2154
for place in "$prefix/lib/node_modules" "$prefix/bin"; do
	if [ -d "$place" ] && [ ! -w "$place" ]; then
		fact problem "$(id -un) may not write to $place"
		fact hint "set ssh.become: sudo, or give it to that user on the node: chown -R"
	fi
done
if [ -L "$prefix/lib/node_modules/$package" ]; then
	fact problem "$prefix/lib/node_modules/$package is a link to $(readlink "$prefix/lib/node_modules/$package")"
	fact hint "that is what npm link makes; remove it on the node: npm uninstall --global --prefix $prefix $package"
elif command -v node >/dev/null 2>&1; then
	installed
fi
