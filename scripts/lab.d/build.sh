# shellcheck shell=bash
# What `up` needs, made once and kept outside the work tree under a key of its recipe. A build happens beside its place and is renamed into it.

lab_build() {
	lab_check
	install_tools
	mkdir -p "$cache"
	# One build at a time: labs that come up side by side wait for it and find it done.
	(
		flock 9
		local pids=() name pid failed=
		for name in base consul index registry; do artefact "$name" & pids+=($!); done
		for pid in "${pids[@]}"; do wait "$pid" || failed=1; done
		[ -z "$failed" ] || fail "building the lab; what is missing is built by the next scripts/lab build"
	) 9> "$cache/lock"
}

lab_check() {
	[ "$(uname -s)" = Linux ] || fail "the lab needs Linux"
	[ "$(id -u)" = 0 ] || fail "the lab needs root: it makes network namespaces, mounts and cgroups"
	command -v apt-get >/dev/null || fail "the lab needs Debian or a kin of it: its nodes are made by debootstrap"
	unshare --net --mount true 2>/dev/null || fail "the lab needs network and mount namespaces, which this machine does not allow"
	grep -qw overlay /proc/filesystems || modprobe -q overlay || fail "the lab needs overlayfs"
	[ -n "$(cgroup_trees)" ] || fail "the lab needs cgroups that it may write to"
}

install_tools() {
	local missing=()
	command -v debootstrap >/dev/null || missing+=(debootstrap)
	command -v systemd-nspawn >/dev/null || missing+=(systemd-container)
	command -v ip >/dev/null || missing+=(iproute2)
	command -v tc >/dev/null || missing+=(iproute2)
	command -v ethtool >/dev/null || missing+=(ethtool)
	command -v nft >/dev/null || missing+=(nftables)
	command -v ssh >/dev/null || missing+=(openssh-client)
	command -v curl >/dev/null || missing+=(curl)
	command -v python3 >/dev/null || missing+=(python3)
	command -v node >/dev/null || missing+=(nodejs npm)
	[ ${#missing[@]} -eq 0 ] && return
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
}

# artefact NAME: makes NAME, by build-NAME, where it is not made yet.
artefact() {
	local place partial began=$SECONDS
	place=$(artefact_dir "$1")
	[ ! -d "$place" ] || return 0
	partial=$place.partial
	rm -rf "$partial"
	mkdir -p "$partial"
	if ! "$parts/build-$1" "$partial" > "$cache/$1.log" 2>&1; then
		echo "building $1 failed; the end of $cache/$1.log:" >&2
		tail -n 15 "$cache/$1.log" >&2
		return 1
	fi
	mv "$partial" "$place"
	echo "built $1 in $((SECONDS - began)) s"
}

artefact_dir() { echo "$cache/$1-$(artefact_key "$1")"; }

# The key of an artefact: its recipe, and the versions that it takes from this machine.
artefact_key() {
	local sources
	case $1 in
		base | consul) sources=("$repository/testdata/lab/$1") ;;
		index | registry) sources=("$repository/testdata/lab/services") ;;
		bench) sources=("$parts/build-index" "$parts/build-registry") ;;
	esac
	{
		uname -m
		[ "$1" != base ] || { node --version; npm --version; }
		[ "$1" != consul ] || go version
		find "$parts/build-$1" "${sources[@]}" -type f ! -name '*.pyc' -print0 | sort -z | xargs -0 sha256sum | sed "s#$repository##"
	} | sha256sum | cut -c 1-12
}
