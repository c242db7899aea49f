# shellcheck shell=bash
# Every process of the lab lives in a cgroup of its own under one name, in every tree of the machine: that is how all of it is found and ended.

# The trees of control groups, one a line: the v1 controllers where there are any, and the unified one.
cgroup_trees() { awk '$3 == "cgroup" || $3 == "cgroup2" {print $2}' /proc/mounts | while read -r tree; do [ ! -w "$tree/cgroup.procs" ] || echo "$tree"; done; }

cgroup_unified() { awk '$3 == "cgroup2" {print $2; exit}' /proc/mounts; }

# cgroup_enter NAME: moves the calling shell, and what it starts, into the cgroup NAME of the lab.
cgroup_enter() {
	local tree place
	for tree in $(cgroup_trees); do
		place=$tree/$group/$1
		mkdir -p "$place"
		if [ -e "$tree/cpuset.cpus" ]; then
			for file in cpuset.cpus cpuset.mems; do
				cat "$tree/$file" > "$tree/$group/$file"
				cat "$tree/$file" > "$place/$file"
			done
		fi
		echo "$BASHPID" > "$place/cgroup.procs"
	done
}

# cgroup_start NAME LOG COMMAND...: starts COMMAND in the background, in its own cgroup, with its output in the file LOG.
cgroup_start() {
	local name=$1 log=$2
	shift 2
	(
		trap '' HUP
		# The lock (9) is held until the process can be found: a killed up must not start anything behind the back of down.
		cgroup_enter "$name"
		exec setsid "$@" 9>&-
	) < /dev/null > "$log" 2>&1 &
}

# cgroup_kill [NAME]: kills all in the cgroup NAME, or in the whole lab, and waits until it is empty.
cgroup_kill() {
	local place
	place=$(cgroup_unified)/$group${1:+/$1}
	[ -d "$place" ] || return 0
	echo 0 > "$place/cgroup.freeze" 2>/dev/null || true
	echo 1 > "$place/cgroup.kill"
	for _ in $(seq 200); do
		grep -q 'populated 0' "$place/cgroup.events" && return
		sleep 0.05
	done
	fail "processes in $place do not end"
}

# cgroup_remove [NAME]: removes the empty cgroups, leaves first.
cgroup_remove() {
	local tree
	for tree in $(cgroup_trees); do
		[ ! -d "$tree/$group${1:+/$1}" ] || find "$tree/$group${1:+/$1}" -depth -type d -exec rmdir {} +
	done
}

# cgroup_pids NAME: the processes in the cgroup NAME and below.
cgroup_pids() { find "$(cgroup_unified)/$group/$1" -name cgroup.procs -exec cat {} + 2>/dev/null || true; }
