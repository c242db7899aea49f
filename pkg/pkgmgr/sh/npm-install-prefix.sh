# shellcheck shell=sh disable=SC2154,SC2034
# Installs the lock beside the prefix: all that it would put there goes to $dir/tree. Nothing in the prefix changes.
[ ! -e "$dir" ] || die "$dir is there already"
unfinished=$dir
make_project "$dir/project"
printf '%s' "$lock" >"$project/package-lock.json"
artifact_there "$project"
if [ -n "$scripts" ]; then
	set -- --ignore-scripts=false
else
	set -- --ignore-scripts
fi
run_npm ci --omit=dev --prefer-offline "$@" || npm_failed "npm cannot install the lock"
list_modules installed "$project/node_modules"

# A global package has its dependencies inside: what npm ci put beside it goes there, where it finds the same.
node - "$project/node_modules" "$dir/tree" "$prefix" "$package" <<'EOF_NODE' || exit 1
const fs = require('fs'), path = require('path')
const [from, tree, prefix, name] = process.argv.slice(2)

function refuse(error, hint) {
  console.log(`::hint ${hint}`)
  console.log(`::error ${error}`)
  process.exit(1)
}

function move(source, target) {
  if (fs.existsSync(target)) refuse(`${name} brings its own ${path.basename(target)}, beside the one that its dependencies share`,
    'such a tree has no place in a prefix: use layout: releases')
  fs.mkdirSync(path.dirname(target), { recursive: true })
  fs.renameSync(source, target)
}

const home = path.join(tree, 'lib', 'node_modules', name)
const commands = fs.existsSync(path.join(from, '.bin')) ? fs.readdirSync(path.join(from, '.bin')) : []
const links = commands.map((command) => [command, fs.readlinkSync(path.join(from, '.bin', command))])
move(path.join(from, name), home)
for (const entry of fs.readdirSync(from)) {
  if (entry.startsWith('.')) continue
  const inner = entry.startsWith('@') ? fs.readdirSync(path.join(from, entry)).map((part) => `${entry}/${part}`) : [entry]
  for (const part of inner) move(path.join(from, part), path.join(home, 'node_modules', part))
}
for (const [command, target] of links) {
  const own = target.startsWith(`../${name}/`)
  const folder = own ? path.join(tree, 'bin') : path.join(home, 'node_modules', '.bin')
  const link = path.join(folder, command)
  if (own) {
    const there = path.join(prefix, 'bin', command)
    const leads = fs.lstatSync(there, { throwIfNoEntry: false }) ? (fs.lstatSync(there).isSymbolicLink() ? fs.readlinkSync(there) : 'a file') : ''
    if (leads && !leads.startsWith(`../lib/node_modules/${name}/`))
      refuse(`${there} is there already, and is not of ${name}`, 'move it away on the node')
  }
  fs.mkdirSync(folder, { recursive: true })
  if (!fs.lstatSync(link, { throwIfNoEntry: false })) fs.symlinkSync(own ? `../lib/node_modules/${target.slice(3)}` : target, link)
}
EOF_NODE
rm -rf "$project"
list_modules found "$dir/tree/lib/node_modules" "$package"
unfinished=
