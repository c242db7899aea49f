# survey prints the manifest of the folder that it runs in: a line for each directory, file and link, sorted bytewise. The fields, between
# tabs, are "d MODE PATH", "f MODE MTIME SIZE SHA256 PATH" and "l PATH TARGET"; paths begin with "./". Package release, manifest.go, reads it.
# Most of the time goes into digests. Where openssl is, it uses the processor's own instructions, and prints the same with -r.
if [ "$(openssl dgst -sha256 -r </dev/null 2>/dev/null)" = 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 *stdin' ]; then
	sha256='openssl dgst -sha256 -r'
elif command -v sha256sum >/dev/null; then
	sha256=sha256sum
else
	sha256='shasum -a 256'
fi
tab=$(printf '\t')

# listed PREDICATES… COMMAND: finds what belongs to a release, which is all but its record and its manifest.
listed() { find . ! -path ./release.json ! -path './rollpin.manifest*' "$@"; }

# shellcheck disable=SC2086 # a command and its options
survey() {
	{
		if find . -prune -printf '' 2>/dev/null; then # GNU find tells all of it by itself
			listed \( -type d ! -path . -printf 'd\t%m\t%p\n' -o -type l -printf 'l\t%p\t%l\n' \
				-o -type f -printf 'f\t%m\t%T@\t%s\t%p\n' -exec $sha256 {} + \)
		else
			listed_by_stat
		fi
	} | awk -F "$tab" '
		$1 == "f" { date = $3; sub(/\..*/, "", date); head[$5] = "f\t" $2 "\t" date "\t" $4; next }
		# A setgid bit on a directory comes from the one above it, and differs between nodes.
		$1 == "d" { print "d\t" substr("000" $2, length($2) + 1) "\t" $3; next }
		$1 == "l" { print; next }
		{ path = substr($0, 67) }
		path in head { print head[path] "\t" substr($0, 1, 64) "\t" path; delete head[path] }
		END { for (path in head) print head[path] "\t\t" path }
	' | LC_ALL=C sort
}

# shellcheck disable=SC2086
listed_by_stat() {
	if stat -c %a . >/dev/null 2>&1; then
		set -- stat -c "d${tab}%a${tab}%n" "f${tab}%a${tab}%Y${tab}%s${tab}%n"
	else
		set -- stat -f "d${tab}%Lp${tab}%N" "f${tab}%Lp${tab}%m${tab}%z${tab}%N"
	fi
	listed -type d ! -path . -exec "$1" "$2" "$3" {} +
	listed -type f -exec "$1" "$2" "$4" {} +
	listed -type f -exec $sha256 {} +
	# shellcheck disable=SC2016
	listed -type l -exec sh -c 'for link; do printf "l\t%s\t%s\n" "$link" "$(readlink "$link")"; done' sh {} +
}

# lacking FIRST SECOND prints the lines of FIRST that SECOND does not have. Not every busybox has comm.
lacking() { LC_ALL=C awk '!first { there[$0]; next } !($0 in there)' "$2" first=1 "$1"; }

# digest_of FILE prints its SHA-256.
digest_of() {
	found=$($sha256 <"$1") || return 1
	printf '%s' "${found%% *}"
}
