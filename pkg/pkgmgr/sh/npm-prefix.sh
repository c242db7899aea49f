# shellcheck shell=sh disable=SC2034,SC2154
# The prefix that the package is installed into, as npm install --global has it.
# shellcheck disable=SC2088
case $prefix in
"~/"*) prefix=${HOME-}/${prefix#"~/"} ;;
esac

# trees prints the folder of the prefix that holds the package and its dependencies, and nothing else, as ./PATH.
trees() { echo "./lib/node_modules/$package"; }

# replaced prints each file of the prefix that belongs to the package, as ./PATH. Other packages of the prefix have their own dependencies.
replaced() (
	cd "$prefix" 2>/dev/null || exit 0
	[ ! -d "lib/node_modules/$package" ] || find "./lib/node_modules/$package" ! -type d
	for link in bin/* bin/.*; do
		[ -L "$link" ] || continue
		case $(readlink "$link") in
		"../lib/node_modules/$package/"*) echo "./$link" ;;
		esac
	done
)

# installed prints what the package consists of, read from each part itself.
installed() { list_modules found "$prefix/lib/node_modules" "$package"; }

