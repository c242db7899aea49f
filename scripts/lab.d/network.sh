# shellcheck shell=bash
# One namespace holds the bridge and the servers; each node has a namespace and a cable into it. There is no default route: nothing leaks out.

network_up() {
	ip netns add "$hub"
	ip -n "$hub" link set lo up
	ip -n "$hub" link add br0 type bridge forward_delay 0
	ip -n "$hub" link set br0 up
	for host in 1 2 3 4; do ip -n "$hub" address add "$subnet.$host/24" dev br0; done
}

# network_plug NODE: the cable of NODE. Its side in the hub has the node's name.
network_plug() {
	local namespace
	namespace=$(node_namespace "$1")
	ip netns add "$namespace"
	ip -n "$hub" link add "$1" type veth peer name eth0 netns "$namespace"
	ip -n "$hub" link set "$1" master br0 up
	ip -n "$namespace" link set lo up
	ip -n "$namespace" link set eth0 up
	ip -n "$namespace" address add "$(node_address "$1")/24" dev eth0
}

network_down() {
	local namespace
	ip netns list 2>/dev/null | awk -v hub="$hub" '$1 == hub || index($1, hub "-") == 1 {print $1}' | while read -r namespace; do
		ip netns delete "$namespace"
	done
}

# in_hub COMMAND...: runs COMMAND in the network of the lab. Unlike ip netns exec it keeps the mounts, and so the control groups, in sight.
in_hub() { nsenter --net="/run/netns/$hub" "$@"; }
