# shellcheck shell=bash
# What people and tests read: lab.json, and beside it a key, ssh_config, known_hosts, an inventory and a rollpin.yaml for deploying by hand.

state_keys() {
	mkdir -p "$dir"
	ssh-keygen -q -t ed25519 -N '' -C rollpin-lab -f "$dir/key"
	cat > "$dir/ssh_config" <<-CONFIG
		Host n*
		  User deploy
		  IdentityFile $dir/key
		  IdentitiesOnly yes
		  UserKnownHostsFile $dir/known_hosts
		  StrictHostKeyChecking yes
		Host $subnet.*
		  IdentityFile $dir/key
		  IdentitiesOnly yes
		  UserKnownHostsFile $dir/known_hosts
	CONFIG
	local node
	for node in "$@"; do printf 'Host %s\n  HostName %s\n  HostKeyAlias %s\n' "$node" "$(node_address "$node")" "$(node_address "$node")" >> "$dir/ssh_config"; done
}

state_inventory() {
	echo 'nodes:'
	local node
	for node in "$@"; do
		echo "  - {name: $node, address: $(node_address "$node"), user: deploy, roles: [api, web], environment: production, zone: $(node_zone "$node")}"
	done
}

state_rollpin_yaml() {
	cat <<-YAML
		discovery: {consul: {match: node}}
		ssh: {config_file: ssh_config, become: sudo}
		services:
		  api:
		    package: acme-api
		    manager: pip
		    index: $index_url
		    path: /srv/api
		    restart: {systemd: api.service}
		    health: {http: "http://127.0.0.1:8080/healthz", expect: {version: json:version}, interval: 300ms}
		    strategy: {name: canary, bake: 2s}
		  web:
		    package: acme-web
		    manager: npm
		    index: $registry_url
		    path: /srv/web
		    restart: {systemd: web.service}
		    health: {http: "http://127.0.0.1:8081/healthz", expect: {version: json:version}, interval: 300ms}
		    strategy: {name: canary, bake: 2s}
	YAML
}

# state_json OPTIONS NODE...
state_json() {
	local options=$1 node separator=
	shift
	cat <<-JSON
		{
		  "name": "$lab", "dir": "$dir", "namespace": "$hub", "options": "$options",
		  "user": "deploy", "key": "$dir/key", "known_hosts": "$dir/known_hosts", "ssh_config": "$dir/ssh_config",
		  "inventory": "$dir/inventory.yaml", "config": "$dir/rollpin.yaml",
		  "index": "$index_url", "private_index": "$private_index_url", "registry": "$registry_url",
		  "consul": "$consul_url", "tokens": {$(consul_tokens_json)},
		  "nodes": [
	JSON
	for node in "$@"; do
		printf '%s    {"name": "%s", "address": "%s", "zone": "%s", "dir": "%s"}' "$separator" "$node" "$(node_address "$node")" "$(node_zone "$node")" "$(node_dir "$node")"
		separator=$',\n'
	done
	printf '\n  ]\n}\n'
}
