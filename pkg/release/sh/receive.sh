# Makes a release of what was sent, and, where a base is named, of what the node has: the files that did not change come from there.
# The fact unfit says that the parts do not make the release; the whole may.

# Whatever serves users on the node comes first.
renice -n 10 -p $$ >/dev/null 2>&1

in=$path/.rollpin/incoming/$id
dir=$path/releases/$id
unfinished=$dir
trap 'rm -rf "$in" ${unfinished:+"$unfinished"}' EXIT
trap 'exit 141' HUP INT TERM PIPE

# full TEXT: what tar said, and what to do about it.
full() {
	case $1 in
	*"No space left"* | *"quota"*) fact hint "make room on the node at $path" ;;
	esac
	die "cannot unpack release $id: $(printf '%s\n' "$1" | tail -n 1)"
}
unfit() {
	fact unfit yes
	die "release $id does not come out as it was built: $1"
}

# unzipped prints what was sent. For a large archive Python's zlib, where it is, takes two thirds of gzip's time.
unzipped() {
	if [ "$(wc -c <"$in/bundle")" -lt 8000000 ] || ! command -v python3 >/dev/null; then
		gzip -dc <"$in/bundle"
		return
	fi
	python3 -I -S -c '
import sys, zlib
data = zlib.decompressobj(31)
for part in iter(lambda: sys.stdin.buffer.read(1 << 15), b""):
    while part:
        sys.stdout.buffer.write(data.decompress(part))
        part = data.unused_data
        if data.eof:
            data = zlib.decompressobj(31)
' <"$in/bundle"
}

# folders COMMAND…: runs it for all directories of the release.
folders() { tr '\n' '\0' <rollpin.manifest.folders | xargs -0 "$@"; }

[ "$(digest_of "$in/bundle")" = "$sum" ] || unfit "what arrived is not what was sent"
mkdir -p "$dir" && cd "$dir" || die "cannot write to $path/releases"
said=$({ unzipped | tar -xpof -; } 2>&1) || said=$(tar -xpozf "$in/bundle" 2>&1) || full "$said"
rm -f "$in/bundle"
if [ -n "$base" ]; then
	said=$({ lacking "../$base/rollpin.manifest" rollpin.manifest.del | LC_ALL=C sort -m - rollpin.manifest.add >rollpin.manifest; } 2>&1) || full "$said"
fi
[ "$(digest_of rollpin.manifest)" = "$digest" ] || unfit "its manifest is another one"
awk -F "$tab" 'BEGIN { print "." } $1 == "d" { print $3 }' rollpin.manifest >rollpin.manifest.folders && folders mkdir -p ||
	die "cannot make the directories of release $id"

# What stayed the same at its place, in one go, and what moved, one by one.
if [ -n "$base" ]; then
	awk -F "$tab" '!first { there[$0]; next } $1 == "f" && ($0 in there) { print $6 }' "../$base/rollpin.manifest" first=1 rollpin.manifest >rollpin.manifest.same
	if [ "$share" != hardlink ]; then
		said=$({ (cd "../$base" && tar -cf - -T "$dir/rollpin.manifest.same") | tar -xpof -; } 2>&1) || full "$said"
	elif ! (cd "../$base" && tr '\n' '\0' <"$dir/rollpin.manifest.same" | xargs -0 cp -Ppl --parents -t "$dir") 2>/dev/null; then
		while IFS= read -r file; do
			ln -f "../$base/$file" "$file"
		done <rollpin.manifest.same
	fi
	while IFS=$tab read -r from to; do
		[ -f "../$from" ] || unfit "$from is gone"
		[ "$share" = hardlink ] && [ "${from%%/*}" != "$id" ] && ln -f "../$from" "$to" 2>/dev/null || said=$(cp -Pp "../$from" "$to" 2>&1) || full "$said"
	done <rollpin.manifest.moved
fi
awk -F "$tab" '$1 == "d" && $2 != 755 { print $2 "\t" $3 }' rollpin.manifest | while IFS=$tab read -r mode folder; do
	chmod "$mode" "$folder"
done
if [ -n "$date" ]; then
	TZ=UTC0 folders touch -t "$date" rollpin.manifest
fi
said=$({ survey >rollpin.manifest.now; } 2>&1) || full "$said"
if [ "$(digest_of rollpin.manifest.now)" != "$digest" ]; then
	unfit "$({ lacking rollpin.manifest rollpin.manifest.now; lacking rollpin.manifest.now rollpin.manifest; } | awk -F "$tab" '{ print $1 == "l" ? $2 : $NF }' |
		LC_ALL=C sort -u | head -n 3 | tr '\n' ' ')"
fi
rm -f rollpin.manifest.*
printf '%s\n' "$record" >release.json.new && [ -s release.json.new ] && mv -f release.json.new release.json || die "cannot write release.json"
unfinished=
facts record <release.json
