# shellcheck shell=sh disable=SC2154,SC2034
[ ! -e "$dir" ] || die "$dir is there already"
unfinished=$dir
make_project "$dir"
printf '%s' "$lock" >"$dir/package-lock.json"
artifact_there "$dir"
if [ -n "$scripts" ]; then
	set -- --ignore-scripts=false
else
	set -- --ignore-scripts
fi
# What the node has of it is the right file if its hash is, whatever the registry says by now.
status=0
run_npm ci --omit=dev --prefer-offline "$@" || status=$?
if [ "$status" != 0 ] && grep -q ETARGET "$tmp/log"; then # it has a list of versions from before this one was published
	status=0
	run_npm ci --omit=dev "$@" || status=$?
fi
(exit "$status") || npm_failed "npm cannot install the lock"
rm -f "$dir/.npmrc" "$dir/rollpin-artifact.tgz"

list_modules installed "$dir/node_modules"
unfinished=
