# shellcheck shell=bash
# A node: an overlay over the base image, booted by systemd-nspawn in its own network namespace and its own cgroup.

# Each systemd holds several inotify instances, which the kernel counts per user: its default ends near thirty nodes.
raise_limits() {
	local limit=/proc/sys/fs/inotify/max_user_instances
	[ "$(cat "$limit")" -ge 4096 ] || echo 4096 > "$limit"
}

# node_boot NODE TMPFS
node_boot() {
	network_plug "$1"
	node_make "$1" "$2"
	node_start "$1"
}

# node_make NODE TMPFS: its disk, with its identity written into it before it boots. TMPFS: the size of its disk in memory, or nothing.
node_make() {
	local node=$1 place base
	place=$(node_dir "$node")
	base=$(readlink "$dir/made/base")
	mkdir -p "$place/disk" "$place/root"
	[ -z "$2" ] || mount -t tmpfs -o "size=$2" "rollpin-$lab-$node" "$place/disk"
	mkdir -p "$place/disk/upper" "$place/disk/work"
	mount -t overlay -o "lowerdir=$base,upperdir=$place/disk/upper,workdir=$place/disk/work" "rollpin-$lab-$node" "$place/root"
	node_identity "$node" "$place/root"
}

node_identity() {
	local node=$1 root=$2 user
	echo "$node" > "$root/etc/hostname"
	tr -d - < /proc/sys/kernel/random/uuid > "$root/etc/machine-id"
	{
		echo "127.0.0.1 localhost"
		for user in $(nodes); do echo "$(node_address "$user") $user"; done
	} > "$root/etc/hosts"
	rm -f "$root/etc/resolv.conf"
	ssh-keygen -q -t ed25519 -N '' -C "$node" -f "$root/etc/ssh/ssh_host_ed25519_key"
	install -m 600 "$dir/key.pub" "$root/root/.ssh/authorized_keys"
	for user in deploy carol dora; do
		install -m 600 "$dir/key.pub" "$root/home/$user/.ssh/authorized_keys"
		chroot "$root" chown -R "$user:$user" "/home/$user/.ssh"
	done
	consul_agent_json "$node" > "$root/etc/consul.json"
}

node_known_host() { awk -v host="$(node_address "$1")" '{print host, $1, $2}' "$(node_dir "$1")/root/etc/ssh/ssh_host_ed25519_key.pub"; }

# node_start NODE: boots it, and again after each reboot from inside (nspawn ends with 133 then).
node_start() {
	# shellcheck disable=SC2016
	cgroup_start "node-$1" "$(node_dir "$1")/console" bash -c '
		while :; do
			status=0
			"$@" < /dev/null || status=$?
			[ "$status" = 133 ] || exit "$status"
		done' node systemd-nspawn --quiet --directory="$(node_dir "$1")/root" --machine="rollpin-$lab-$1" --register=no --keep-unit \
		--network-namespace-path="/run/netns/$(node_namespace "$1")" --resolv-conf=off --timezone=off --link-journal=no \
		--bind-ro="$(consul_binary):/usr/local/bin/consul" --console=read-only --boot
}

node_alive() { [ -n "$(node_init "$1")" ]; }

# node_init NODE: the pid, on this machine, of the node's PID 1.
node_init() {
	local pid
	for pid in $(cgroup_pids "node-$1"); do
		awk '$1 == "NSpid:" {exit !(NF == 3 && $3 == 1)}' "/proc/$pid/status" 2>/dev/null && echo "$pid" && return
	done
	return 0
}

node_answers_ssh() {
	# shellcheck disable=SC2016
	in_hub timeout 2 bash -c 'exec 3<>"/dev/tcp/$0/22" && read -r banner <&3 && [[ $banner == SSH-* ]]' "$(node_address "$1")" 2>/dev/null
}

lab_ssh() {
	need_node "${1-}"
	exec nsenter --net="/run/netns/$hub" ssh -F "$dir/ssh_config" "$@"
}

lab_exec() {
	need_node "${1-}"
	local node=$1 init
	shift
	[ $# -gt 0 ] || set -- bash
	init=$(node_init "$node")
	[ -n "$init" ] || fail "$node does not run: scripts/lab heal $node"
	[ $# -gt 1 ] || set -- sh -c "$1"
	exec nsenter --target "$init" --mount --uts --ipc --net --pid --root --wd env -i HOME=/root TERM="${TERM:-dumb}" \
		PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$@"
}

lab_run() {
	need_up
	export CONSUL_HTTP_ADDR=$consul_url
	[ ! -f "$dir/consul/token-deployer" ] || export CONSUL_HTTP_TOKEN="${CONSUL_HTTP_TOKEN-$(consul_token deployer)}"
	exec nsenter --net="/run/netns/$hub" "$@"
}
