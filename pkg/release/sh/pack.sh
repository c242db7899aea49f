# Packs a release for other nodes into one archive, which the user who logs in may read: its manifest, then its files and links.

# Whatever serves users on the node comes first.
renice -n 10 -p $$ >/dev/null 2>&1

cd "$path/releases/$id" || die "release $id is not on the node"
out=$path/.rollpin/outgoing/$id
rm -rf "$out" && mkdir -p "$out" || die "cannot write to $path/.rollpin"
trap 'rm -rf "$out"' EXIT
trap 'exit 141' HUP INT TERM PIPE
{
	echo ./rollpin.manifest
	# What resembles each other goes side by side, byte-code with its source: gzip looks back no further than 32 KiB.
	LC_ALL=C awk -F "$tab" '$1 == "f" || $1 == "l" {
		name = place = $1 == "f" ? $6 : $2
		if (sub(/__pycache__\//, "", place)) sub(/\.[^.\/]*\.pyc$/, ".py", place)
		print place "\t" name
	}' rollpin.manifest | LC_ALL=C sort | cut -f 2
} >"$out/files" || die "cannot write to $out"
# zipped is gzip, with less effort than unasked: half the time, for 7% more. Python, where it is, does it on several processors, a part at a time.
zipped() {
	if ! python3 -I -S -c 'import concurrent.futures, zlib' 2>/dev/null; then
		gzip -2
		return
	fi
	python3 -I -S -c '
import collections, concurrent.futures, os, sys, zlib

def zipped(part):
    member = zlib.compressobj(3, zlib.DEFLATED, 31)
    return member.compress(part) + member.flush()

workers = min(os.cpu_count() or 1, 4)
with concurrent.futures.ThreadPoolExecutor(workers) as pool:
    ahead = collections.deque()
    for part in iter(lambda: sys.stdin.buffer.read(1 << 20), b""):
        ahead.append(pool.submit(zipped, part))
        if len(ahead) > workers:
            sys.stdout.buffer.write(ahead.popleft().result())
    for part in ahead:
        sys.stdout.buffer.write(part.result())
'
}
# GNU tar would name a file by an earlier one with the same inode.
set --
! tar --hard-dereference --version >/dev/null 2>&1 || set -- --hard-dereference
said=$({ { tar -c "$@" -f - -T "$out/files" && : >"$out/whole"; } | zipped >"$out/bundle"; } 2>&1) && [ -e "$out/whole" ] ||
	die "cannot pack release $id: $(printf '%s' "$said" | tail -n 1)"
if [ -n "${SUDO_UID-}" ]; then
	chown -R "$SUDO_UID" "$out" 2>/dev/null || chmod 644 "$out/bundle"
fi
sum=$(digest_of "$out/bundle") || die "cannot compute the digest of $out/bundle"
fact bundle "$out/bundle"
fact sum "$sum"
# shellcheck disable=SC2012 # the one file has a plain name
fact size "$(wc -c <"$out/bundle" | tr -d ' ')"
facts lock <rollpin.lock || die "release $id has no lock on the node"
trap - EXIT
