# shellcheck shell=bash disable=SC2034
# Names and places. Everything that the lab makes carries its name, so that `down` finds it after a crash too.

lab=${ROLLPIN_LAB:-lab}
[[ $lab =~ ^[a-z][a-z0-9]{0,15}$ ]] || { echo "error: ROLLPIN_LAB: $lab: up to 16 small letters and digits are expected" >&2; exit 2; }

repository=$(cd "$parts/../.." && pwd)
cache=${ROLLPIN_LAB_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/rollpin/lab}
dir=/var/lib/rollpin-lab/$lab    # everything of this run: nodes' disks, keys, lab.json
json=$dir/lab.json               # written last: where it stands, the lab is up
hub=rollpin-$lab                 # the namespace of the bridge, the servers and the tests
group=rollpin-$lab               # the cgroup of everything that runs

subnet=10.77.0
index_url=http://$subnet.1:8000/simple
private_index_url=http://$subnet.1:8000/private/simple
registry_url=http://$subnet.1:4873
consul_url=http://$subnet.2:8500

fail() {
	echo "error: $*" >&2
	exit 1
}

node_address() { echo "$subnet.$((10 + ${1#n}))"; }
node_namespace() { echo "rollpin-$lab-$1"; }
node_dir() { echo "$dir/nodes/$1"; }
node_zone() { echo "z$(((${1#n} - 1) % 3 + 1))"; }

# The nodes of the running lab, in order.
nodes() { [ ! -d "$dir/nodes" ] || find "$dir/nodes" -mindepth 1 -maxdepth 1 -printf '%f\n' | sort -V; }

need_up() {
	[ "$(id -u)" = 0 ] || fail "the lab needs root"
	[ -f "$json" ] || fail "the lab $lab is not up: scripts/lab up"
}

need_node() {
	need_up
	[ -n "${1-}" ] && [ -d "$(node_dir "$1")" ] || fail "no node ${1:-named}: $(nodes | tr '\n' ' ')"
}
