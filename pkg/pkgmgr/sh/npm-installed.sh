# shellcheck shell=sh
# list_modules KEY FOLDER [NAME] prints the fact KEY NAME VERSION for each package in a folder node_modules, or for one and what is in it.
list_modules() {
	node - "$@" <<'EOF_NODE' || exit 1
const fs = require('fs'), path = require('path')
const [key, top, only] = process.argv.slice(2)

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
  if (fs.existsSync(file)) console.log(`::${key} ${prefix}${name} ${JSON.parse(fs.readFileSync(file, 'utf8')).version}`)
  list(path.join(folder, 'node_modules'), `${prefix}${name}/node_modules/`)
}

if (only) show(top, '', only)
else list(top, '')
EOF_NODE
}

