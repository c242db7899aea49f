# shellcheck shell=bash
# up, down and status.

lab_up() {
	local count=3 tmpfs='' began=$SECONDS node names=()
	parse_up "$@"
	local options="$count nodes, $consul_servers servers${consul_acl:+, acl}${tmpfs:+, tmpfs $tmpfs}"
	lab_check
	take_lock
	if [ -f "$json" ]; then already_up "$options"; return; fi
	lab_build
	clean
	mkdir -p "$dir/made"
	for node in base consul index registry; do ln -s "$(artefact_dir "$node")" "$dir/made/$node"; done
	for node in $(seq "$count"); do names+=("n$node"); mkdir -p "$dir/nodes/n$node"; done
	make_up "$tmpfs" "${names[@]}"
	state_json "$options" "${names[@]}" > "$json.partial"
	mv "$json.partial" "$json"
	echo "up in $((SECONDS - began)) s: $options. Next: scripts/lab status"
}

# take_lock keeps other ups and downs of this lab away, as long as this process or a part of it lives.
take_lock() {
	mkdir -p "${dir%/*}"
	exec 9> "$dir.lock"
	flock -n 9 && [ "$dir.lock" -ef /dev/fd/9 ] || fail "another scripts/lab up or down of the lab $lab is at work: wait for it"
}

parse_up() {
	local counted=''
	while [ $# -gt 0 ]; do
		case $1 in
			--servers) [ $# -gt 1 ] || fail "--servers: 1 or 3 is expected"; consul_servers=$2; shift ;;
			--servers=*) consul_servers=${1#*=} ;;
			--acl) consul_acl=1 ;;
			--tmpfs) [ $# -gt 1 ] || fail "--tmpfs: a size such as 512m is expected"; tmpfs=$2; shift ;;
			--tmpfs=*) tmpfs=${1#*=} ;;
			-*) fail "up: no option $1: see scripts/lab help" ;;
			*) [ -z "$counted" ] || fail "up: $1 after $counted: one number of nodes is expected"; counted=$1; count=$1 ;;
		esac
		shift
	done
	[[ $count =~ ^[1-9][0-9]{0,2}$ ]] && [ "$count" -le 100 ] || fail "up: $count nodes: a number from 1 to 100 is expected"
	[[ $consul_servers =~ ^[13]$ ]] || fail "--servers: 1 or 3 is expected, not '$consul_servers'"
	[[ $tmpfs =~ ^([0-9]+[kmg])?$ ]] || fail "--tmpfs: $tmpfs: a size such as 512m is expected"
}

already_up() {
	local runs
	runs=$(json_field options)
	[ "$runs" = "$1" ] || fail "the lab is up already, with $runs: scripts/lab down first"
	echo "the lab is up already: $runs"
}

json_field() { python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))[sys.argv[2]])' "$json" "$1"; }

make_up() {
	local tmpfs=$1 node
	shift
	state_keys "$@"
	raise_limits
	network_up
	cgroup_start index "$dir/index.log" nsenter --net="/run/netns/$hub" "$parts/serve-index" "$dir/made/index" "$subnet.1" 8000
	cgroup_start registry "$dir/registry.log" nsenter --net="/run/netns/$hub" "$parts/serve-registry" "$dir/made/registry" "$dir/registry" "$subnet.1" 4873
	consul_start_servers
	in_parallel node_boot "$tmpfs" "$@"
	for node in "$@"; do node_known_host "$node"; done > "$dir/known_hosts"
	state_inventory "$@" > "$dir/inventory.yaml"
	state_rollpin_yaml > "$dir/rollpin.yaml"
	for node in "$@"; do wait_for 60 "SSH of $node" node_answers_ssh "$node"; done
	wait_for 30 "the package index" in_hub curl -sf -m 2 -o /dev/null "$index_url/"
	wait_for 30 "the npm registry" in_hub curl -sf -m 2 -o /dev/null "$registry_url/-/ping"
	consul_wait_nodes "$#"
}

# in_parallel COMMAND ARGUMENT NODE...: COMMAND NODE ARGUMENT, for all nodes at once.
in_parallel() {
	local command=$1 argument=$2 node pids=() pid
	shift 2
	for node in "$@"; do
		"$command" "$node" "$argument" &
		pids+=($!)
	done
	for pid in "${pids[@]}"; do wait "$pid"; done
}

# wait_for SECONDS WHAT COMMAND...
wait_for() {
	local deadline=$((SECONDS + $1)) what=$2
	shift 2
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || fail "waited too long for $what; logs are under $dir"
		sleep 0.1
	done
}

lab_down() {
	[ "$(id -u)" = 0 ] || fail "scripts/lab down needs root"
	take_lock
	clean
	rm -f "$dir.lock"
	rmdir --ignore-fail-on-non-empty "${dir%/*}"
	echo down
}

# clean removes what a lab of this name left, whole or in pieces.
clean() {
	rm -f "$json"
	cgroup_kill
	cgroup_remove
	awk -v dir="$dir/" 'index($5, dir) == 1 {print $5}' /proc/self/mountinfo | sort -r | while read -r place; do
		umount "$place" 2>/dev/null || umount --lazy "$place" # somebody's shell may stand in it
	done
	network_down
	rm -rf "$dir"
}

lab_status() {
	if [ ! -f "$json" ]; then
		echo "the lab $lab is down"
		return 3
	fi
	echo "the lab $lab is up: $(json_field options)"
	echo "  index $index_url  registry $registry_url  consul $consul_url"
	echo "  for people and tests: $json"
	local node broken
	for node in $(nodes); do
		broken=$(faults_of "$node")
		printf '  %-4s %s  %s  %s%s\n' "$node" "$(node_address "$node")" "$(node_zone "$node")" \
			"$(if ! node_alive "$node"; then echo dead; elif [ -n "$broken" ]; then echo broken; elif node_answers_ssh "$node"; then echo up; else echo silent; fi)" "${broken:+: $broken}"
	done
}
