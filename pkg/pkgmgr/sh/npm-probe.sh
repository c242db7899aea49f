# shellcheck shell=sh
for tool in node npm; do
	if ! command -v "$tool" >/dev/null 2>&1; then
		fact problem "there is no $tool in PATH"
		fact hint "install Node.js with npm on the node so that a shell without a terminal finds it, such as by a link in /usr/local/bin"
		exit 0
	fi
done
libc=$(getconf GNU_LIBC_VERSION 2>/dev/null | tr -d ' ')
if [ "$(uname -s)" != Linux ]; then
	libc=$(uname -r | cut -d . -f 1)
fi
node - "$(command -v npm)" "${libc:-musl}" 2>/dev/null <<'EOF_NODE' && exit 0
const fs = require('fs'), path = require('path')
const [npm, libc] = process.argv.slice(2)

// Reading npm's package.json takes a millisecond, npm --version 300. What is in PATH may be a shim.
function npmVersion() {
  try {
    const home = path.dirname(path.dirname(fs.realpathSync(npm)))
    const about = JSON.parse(fs.readFileSync(path.join(home, 'package.json'), 'utf8'))
    if (about.name === 'npm') return about.version
  } catch (e) {
    // not where npm itself puts it
  }
  return require('child_process').execFileSync(npm, ['--version'], { encoding: 'utf8' }).trim()
}

const fact = (key, value) => console.log(`::${key} ${value}`)
fact('platform', `${process.platform}-${process.arch}-${libc}-node${process.versions.node.split('.')[0]}`)
fact('node', process.versions.node)
const version = npmVersion()
fact('npm', version)
if (parseInt(version) < 7) {
  fact('problem', `its npm is ${version}, and 7 or newer is needed`)
  fact('hint', 'update it on the node: npm install --global npm')
}
EOF_NODE
fact problem "node or npm does not work"
fact hint "run node --version and npm --version on the node"
