# shellcheck shell=bash
# Ways to break a node, each with its way back. What is broken is written down under the node, so that heal knows.

lab_break() {
	case ${1-} in server-*) break_server "$@"; return ;; esac
	need_node "${1-}"
	local node=$1 kind=${2-}
	case $kind in
		cut | freeze | kill | drop | reject | loss | bandwidth | latency | disk-full | read-only | memory | cpu) ;;
		reboot)
			in_node "$node" systemctl reboot
			return
			;;
		*) fail "break: no kind ${kind:-given}: cut, freeze, kill, drop, reject, loss, bandwidth, latency, disk-full, read-only, memory, cpu and reboot are there" ;;
	esac
	[ ! -f "$(node_dir "$node")/faults/$kind" ] || { echo "$node is broken by $kind already"; return; }
	[ "$kind" = kill ] || node_alive "$node" || fail "$node does not run: scripts/lab heal $node"
	mkdir -p "$(node_dir "$node")/faults"
	: > "$(node_dir "$node")/faults/$kind"
	"break_${kind//-/_}" "$node"
}

lab_heal() {
	local node kind
	if [ "${1-}" = all ]; then
		need_up
		for node in $(nodes) $(servers); do lab_heal "$node"; done
		return
	fi
	case ${1-} in server-*) heal_server "$1"; return ;; esac
	need_node "${1-}"
	node=$1
	for kind in $(faults_of "$node"); do
		"heal_${kind//-/_}" "$node"
		rm -f "$(node_dir "$node")/faults/$kind"
	done
	if ! node_alive "$node"; then
		# What is left between the end and the start of a reboot starts the node by itself.
		[ -n "$(cgroup_pids "node-$node")" ] || node_start "$node"
		wait_for 60 "SSH of $node" node_answers_ssh "$node"
	fi
}

faults_of() { [ ! -d "$(node_dir "$1")/faults" ] || find "$(node_dir "$1")/faults" -type f -printf '%f ' ; }

in_node_network() { local node=$1; shift; nsenter --net="/run/netns/$(node_namespace "$node")" "$@"; }

break_cut() { ip -n "$hub" link set "$1" down; }
heal_cut() { ip -n "$hub" link set "$1" up; }

break_freeze() { echo 1 > "$(cgroup_unified)/$group/node-$1/cgroup.freeze"; }
heal_freeze() { ! node_alive "$1" || echo 0 > "$(cgroup_unified)/$group/node-$1/cgroup.freeze"; }

break_kill() {
	cgroup_kill "node-$1"
	cgroup_remove "node-$1"
}
heal_kill() { :; } # lab_heal starts what does not run, last of all

# Consul's servers, server-1 and up: kill, or freeze, which leaves the port open and answers nothing.
servers() { find "$dir/consul" -mindepth 1 -maxdepth 1 -type d -printf 'server-%f\n' | sort -V; }

need_server() {
	need_up
	[ -d "$dir/consul/${1#server-}" ] || fail "no server $1: $(servers | tr '\n' ' ')"
}

break_server() {
	need_server "$1"
	local number=${1#server-}
	case ${2-} in
		kill) cgroup_kill "consul-$number"; cgroup_remove "consul-$number" ;;
		freeze) echo 1 > "$(cgroup_unified)/$group/consul-$number/cgroup.freeze" ;;
		*) fail "break: no kind ${2:-given} for a server: kill and freeze are there" ;;
	esac
}

heal_server() {
	need_server "$1"
	local number=${1#server-}
	if [ -n "$(cgroup_pids "consul-$number")" ]; then
		echo 0 > "$(cgroup_unified)/$group/consul-$number/cgroup.freeze"
	else
		consul_start_server "$number"
	fi
	wait_for 30 "$1" in_hub curl -s -m 2 -o /dev/null "http://$subnet.$((number + 1)):8500/v1/status/peers"
}

# Rules against what comes in for sshd; what the node sends, and Consul's gossip, still pass.
rules() { in_node_network "$1" nft -f - <<< "table inet rollpin { chain in { type filter hook input priority 0; $2; }; }"; }
heal_rules() { ! in_node_network "$1" nft list table inet rollpin > /dev/null 2>&1 || in_node_network "$1" nft delete table inet rollpin; }
break_drop() { rules "$1" 'tcp dport 22 drop'; }
heal_drop() { heal_rules "$1"; }
break_reject() { rules "$1" 'tcp dport 22 reject with tcp reset'; }
heal_reject() { heal_rules "$1"; }
break_loss() { rules "$1" 'numgen random mod 100 < 20 drop'; }
heal_loss() { heal_rules "$1"; }

break_bandwidth() { tc -n "$hub" qdisc replace dev "$1" root tbf rate 512kbit burst 16k latency 400ms; }
heal_bandwidth() { tc -n "$hub" qdisc delete dev "$1" root 2>/dev/null || true; }

# The cable is cut in two, and a forwarder between the halves holds back every frame: netem is not in every kernel.
break_latency() {
	ip -n "$hub" link add "$1-far" type veth peer name "$1-near"
	ip -n "$hub" link set "$1" nomaster
	ip -n "$hub" link set "$1-far" up
	ip -n "$hub" link set "$1-near" master br0 up
	# Checksums and segments are left to the device where it offers that, and a forwarder would pass on frames without them.
	in_node_network "$1" ethtool -K eth0 tx off gso off > /dev/null
	in_hub ethtool -K "$1-near" tx off gso off > /dev/null
	cgroup_start "latency-$1" "$(node_dir "$1")/latency.log" nsenter --net="/run/netns/$hub" "$parts/forward-slowly" 100 "$1" "$1-far"
}
heal_latency() {
	cgroup_kill "latency-$1"
	cgroup_remove "latency-$1"
	ip -n "$hub" link delete "$1-far" 2>/dev/null || true
	ip -n "$hub" link set "$1" master br0
	in_node_network "$1" ethtool -K eth0 tx on gso on > /dev/null
}

break_disk_full() {
	local disk used
	disk=$(node_dir "$1")/disk
	mountpoint -q "$disk" || { heal_done "$1" disk-full; fail "disk-full needs disks in memory: scripts/lab up N --tmpfs 512m"; }
	used=$(df --output=used -k "$disk" | tail -n 1)
	df --output=size -k "$disk" | tail -n 1 > "$(node_dir "$1")/size"
	mount -o "remount,size=$((used + 64))k" "$disk"
}
heal_disk_full() { [ ! -f "$(node_dir "$1")/size" ] || mount -o "remount,size=$(($(cat "$(node_dir "$1")/size")))k" "$(node_dir "$1")/disk"; }

heal_done() { rm -f "$(node_dir "$1")/faults/$2"; }

in_node() { (lab_exec "$@"); }
break_read_only() { in_node "$1" 'mountpoint -q /srv || mount --bind /srv /srv; mount -o remount,ro,bind /srv'; }
heal_read_only() { ! node_alive "$1" || in_node "$1" '! mountpoint -q /srv || umount --lazy /srv'; }

break_memory() { limit "$1" memory memory.limit_in_bytes memory.max $((64 << 20)); }
heal_memory() { ! node_alive "$1" || limit "$1" memory memory.limit_in_bytes memory.max -1 max; }
break_cpu() { limit "$1" cpu cpu.cfs_quota_us cpu.max 7000 '7000 100000'; }
heal_cpu() { ! node_alive "$1" || limit "$1" cpu cpu.cfs_quota_us cpu.max -1 'max 100000'; }

# limit NODE CONTROLLER V1-FILE V2-FILE V1-VALUE [V2-VALUE]
limit() {
	local v1=/sys/fs/cgroup/$2/$group/node-$1/$3
	if [ -e "$v1" ]; then echo "$5" > "$v1"; else echo "${6-$5}" > "$(cgroup_unified)/$group/node-$1/$4"; fi
}
