# shellcheck shell=bash
# Consul: one server or three in the hub, an agent on each node; with --acl, tokens of the smallest policies that do.

consul_servers=1
consul_acl=

consul_binary() { echo "$dir/made/consul/consul"; }

consul_start_servers() {
	local server
	[ -z "$consul_acl" ] || consul_make_token management
	for server in $(seq "$consul_servers"); do consul_make_server "$server"; consul_start_server "$server"; done
	[ -z "$consul_acl" ] || consul_make_policies
}

consul_make_server() {
	local place=$dir/consul/$1 address=$subnet.$(($1 + 1)) join='' other
	mkdir -p "$place"
	for other in $(seq "$consul_servers"); do join+="${join:+, }\"$subnet.$((other + 1))\""; done
	cat > "$place/consul.json" <<-JSON
		{
		  "server": true, "bootstrap_expect": $consul_servers, "node_name": "server-$1", "datacenter": "lab", "data_dir": "$place/data",
		  "bind_addr": "$address", "client_addr": "$address", "retry_join": [$join], "retry_interval": "1s",
		  "performance": {"raft_multiplier": 1}, "disable_update_check": true, "log_level": "warn"$(consul_acl_json management)
		}
	JSON
}

# consul_start_server NUMBER: also starts one again that was killed, on the data that it left.
consul_start_server() {
	local place=$dir/consul/$1
	cgroup_start "consul-$1" "$place/log" nsenter --net="/run/netns/$hub" "$(consul_binary)" agent -config-file="$place/consul.json"
}

# consul_acl_json agent|management: the part of an agent's or a server's configuration.
consul_acl_json() {
	[ -n "$consul_acl" ] || return 0
	if [ "$1" = management ]; then
		printf ',\n  "acl": {"enabled": true, "default_policy": "deny", "tokens": {"initial_management": "%s", "agent": "%s"}}' "$(consul_token management)" "$(consul_token management)"
	else
		printf ',\n  "acl": {"enabled": true, "default_policy": "deny", "tokens": {"agent": "%s", "config_file_service_registration": "%s"}}' "$(consul_token agent)" "$(consul_token agent)"
	fi
}

consul_token() { cat "$dir/consul/token-$1"; }

consul_make_token() {
	mkdir -p "$dir/consul"
	cat /proc/sys/kernel/random/uuid > "$dir/consul/token-$1"
}

consul_make_policies() {
	consul_wait_leader
	consul_make_token agent
	consul_make_token deployer
	consul_make_policy agent 'node_prefix "" { policy = "write" } service_prefix "" { policy = "write" }'
	consul_make_policy deployer "$(cat "$repository/examples/consul-policy.hcl")"
}

consul_make_policy() {
	consul_cli acl policy create -name "$1" -rules "$2" > /dev/null
	consul_cli acl token create -description "$1" -policy-name "$1" -secret "$(consul_token "$1")" > /dev/null
}

consul_cli() {
	CONSUL_HTTP_ADDR=$consul_url CONSUL_HTTP_TOKEN=$([ -z "$consul_acl" ] || consul_token management) in_hub "$(consul_binary)" "$@"
}

consul_tokens_json() {
	[ -n "$consul_acl" ] || return 0
	printf '"management": "%s", "deployer": "%s"' "$(consul_token management)" "$(consul_token deployer)"
}

# consul_get PATH: asks the first server.
consul_get() {
	local header=()
	[ -z "$consul_acl" ] || header=(-H "X-Consul-Token: $(consul_token management)")
	in_hub curl -sf -m 2 "${header[@]}" "$consul_url/v1/$1"
}

consul_wait_leader() { wait_for 20 "a Consul leader" consul_has_leader; }
consul_has_leader() { [[ $(consul_get status/leader) == *:8300* ]]; }

# consul_wait_nodes COUNT: until so many nodes are in the catalog, and their agents well.
consul_wait_nodes() { wait_for 60 "$1 nodes in Consul" consul_has_nodes "$1"; }
consul_has_nodes() {
	consul_get 'health/service/api' | python3 -c '
import json, sys
well = [e for e in json.load(sys.stdin) if any(c["CheckID"] == "serfHealth" and c["Status"] == "passing" for c in e["Checks"])]
sys.exit(len(well) < int(sys.argv[1]))' "$1"
}

# consul_agent_json NODE: the agent of NODE, with its metadata and its services.
consul_agent_json() {
	local join='' server
	for server in $(seq "$consul_servers"); do join+="${join:+, }\"$subnet.$((server + 1))\""; done
	cat <<-JSON
		{
		  "node_name": "$1", "datacenter": "lab", "bind_addr": "$(node_address "$1")", "client_addr": "127.0.0.1",
		  "retry_join": [$join], "retry_interval": "1s", "disable_update_check": true, "log_level": "warn", "leave_on_terminate": false,
		  "node_meta": {"role": "api,web", "environment": "production", "zone": "$(node_zone "$1")", "ssh_user": "deploy", "rack": "r1"},
		  "services": [
		    {"name": "api", "port": 8080, "tags": ["production"], "check": {"http": "http://127.0.0.1:8080/healthz", "interval": "1s", "timeout": "1s"}},
		    {"name": "web", "port": 8081, "tags": ["production"], "check": {"http": "http://127.0.0.1:8081/healthz", "interval": "1s", "timeout": "1s"}}
		  ]$(consul_acl_json agent)
		}
	JSON
}
