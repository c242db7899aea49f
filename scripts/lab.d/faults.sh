# shellcheck shell=bash
# Ways to break a node, each with its way back. What is broken is written down under the node, so that heal knows.

lab_break() {
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
	mkdir -p "$(node_dir "$node")/faults"
	: > "$(node_dir "$node")/faults/$kind"
	"break_${kind//-/_}" "$node"
}

lab_heal() {
	local node kind
	if [ "${1-}" = all ]; then
		for node in $(nodes); do lab_heal "$node"; done
		return
	fi
	need_node "${1-}"
	node=$1
	for kind in $(faults_of "$node"); do
		"heal_${kind//-/_}" "$node"
		rm -f "$(node_dir "$node")/faults/$kind"
	done
	node_alive "$node" || heal_kill "$node"
}

faults_of() { [ ! -d "$(node_dir "$1")/faults" ] || find "$(node_dir "$1")/faults" -type f -printf '%f ' ; }

in_node_network() { local node=$1; shift; nsenter --net="/run/netns/$(node_namespace "$node")" "$@"; }

break_cut() { ip -n "$hub" link set "$1" down; }
heal_cut() { ip -n "$hub" link set "$1" up; }

break_freeze() { echo 1 > "$(cgroup_unified)/$group/node-$1/cgroup.freeze"; }
heal_freeze() { echo 0 > "$(cgroup_unified)/$group/node-$1/cgroup.freeze"; }

break_kill() {
	cgroup_kill "node-$1"
	cgroup_remove "node-$1"
}
heal_kill() {
	node_alive "$1" || node_start "$1"
	wait_for 60 "SSH of $1" node_answers_ssh "$1"
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
heal_disk_full() { mount -o "remount,size=$(($(cat "$(node_dir "$1")/size")))k" "$(node_dir "$1")/disk"; }

heal_done() { rm -f "$(node_dir "$1")/faults/$2"; }

in_node() { (lab_exec "$@"); }
break_read_only() { in_node "$1" 'mountpoint -q /srv || mount --bind /srv /srv; mount -o remount,ro,bind /srv'; }
heal_read_only() { ! node_alive "$1" || in_node "$1" '! mountpoint -q /srv || umount /srv'; }

break_memory() { limit "$1" memory memory.limit_in_bytes memory.max $((64 << 20)); }
heal_memory() { limit "$1" memory memory.limit_in_bytes memory.max -1 max; }
break_cpu() { limit "$1" cpu cpu.cfs_quota_us cpu.max 7000 '7000 100000'; }
heal_cpu() { limit "$1" cpu cpu.cfs_quota_us cpu.max -1 'max 100000'; }

# limit NODE CONTROLLER V1-FILE V2-FILE V1-VALUE [V2-VALUE]
limit() {
	local v1=/sys/fs/cgroup/$2/$group/node-$1/$3
	if [ -e "$v1" ]; then echo "$5" > "$v1"; else echo "${6-$5}" > "$(cgroup_unified)/$group/node-$1/$4"; fi
}
