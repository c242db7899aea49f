# shellcheck shell=sh disable=SC2154,SC2034
[ ! -e "$dir" ] || die "$dir is there already"
unfinished=$dir
make_project "$dir"
printf '%s' "$lock" >"$dir/package-lock.json"
if [ -z "$artifact" ] && grep -q '"file:rollpin-artifact.tgz"' "$dir/package-lock.json"; then
	fact hint "name that file: --artifact FILE"
	die "the package came from a file that no registry has"
fi
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

# What lies in node_modules, read from each package itself.
node - "$dir" <<'EOF_NODE' || exit 1
const fs = require('fs'), path = require('path')

const folders = (folder) => fs.readdirSync(folder, { withFileTypes: true }).filter((e) => e.isDirectory() && !e.name.startsWith('.')).map((e) => e.name)

function list(modules, prefix) {
  if (!fs.existsSync(modules)) return
  for (const name of folders(modules)) {
    if (name.startsWith('@')) {
      for (const inner of folders(path.join(modules, name))) show(modules, prefix, `${name}/${inner}`)
    } else {
      show(modules, prefix, name)
    }
  }
}

function show(modules, prefix, name) {
  const folder = path.join(modules, name)
  const file = path.join(folder, 'package.json')
  if (fs.existsSync(file)) console.log(`::installed ${prefix}${name} ${JSON.parse(fs.readFileSync(file, 'utf8')).version}`)
  list(path.join(folder, 'node_modules'), `${prefix}${name}/node_modules/`)
}

list(path.join(process.argv[2], 'node_modules'), '')
EOF_NODE
unfinished=
