# Sets of packages in a prefix that stays. A set that was staged has in its folder tree the files of its packages; one that was replaced has
# all that there was (whole), so that it comes back as it was. The functions trees and replaced are those of package pkgmgr.
prefix=$(cd "$(dirname "$path")" && pwd) || die "$(dirname "$path") is gone"
work=$path/.rollpin/work
rm -rf "$work" && mkdir -p "$work" || die "cannot write to $path/.rollpin"
trap 'rm -rf "$work"' EXIT
trap 'exit 141' HUP INT TERM PIPE
for aside in "$path"/.rollpin/aside-*; do
	if [ -d "$aside" ] && [ ! -e "$path/releases/${aside##*/aside-}" ]; then
		mv "$aside" "$path/releases/${aside##*/aside-}" || die "cannot write to $path/releases"
	fi
done
current=$(readlink "$path/current" 2>/dev/null)
current=${current#releases/}
# The set that a change which ended half way was about, and the one that was there before; empty where none did.
half=$(sed -n 1p "$path/.rollpin/changing" 2>/dev/null)
# shellcheck disable=SC2034
base=$(sed -n 2p "$path/.rollpin/changing" 2>/dev/null)
trees >"$work/trees" || die "cannot tell where packages lie in $prefix"

whole() { [ -f "$path/releases/$1/whole" ]; }

# content ID [STORE]: the lines of its manifest that are about the prefix, as they are there.
content() {
	awk -F "$tab" -v OFS="$tab" '
		{ at = $1 == "d" ? 3 : $1 == "l" ? 2 : 6 }
		$at ~ /^\.\/tree\// { $at = "." substr($at, 7); print }
	' "${2:-$path}/releases/$1/rollpin.manifest" | LC_ALL=C sort
}
paths() { awk -F "$tab" '$1 == "f" { print $6 } $1 == "l" { print $2 }' "$@"; }
folders() { awk -F "$tab" '$1 == "d" { print $3 }' "$@"; }

# scope LIST…: what is there of the trees, of the files in these lists of lines and in $work/replaced, and of all folders above them.
scope() {
	{
		cat "$work/trees" "$work/replaced"
		paths "$@"
		folders "$@"
	} | awk -v trees="$work/trees" '
		BEGIN { while ((getline tree < trees) > 0) known[tree] = 1 }
		function add(path) { if (!(path in seen) && path != ".") { seen[path] = 1; print path } }
		{
			path = $0
			if (path in known) sub(/\/[^\/]*$/, "", path)
			for (above = path; above != "."; ) {
				if (above in known) next
				if (!sub(/\/[^\/]*$/, "", above)) next
			}
			for (; path != "."; sub(/\/[^\/]*$/, "", path)) add(path)
		}
	' | while IFS= read -r place; do
		[ ! -e "$place" ] && [ ! -L "$place" ] || printf '%s\n' "$place"
	done >"$work/single"
	while IFS= read -r place; do
		[ ! -d "$place" ] || printf '%s\n' "$place"
	done <"$work/trees" >"$work/deep"
}

# look prints the manifest of what scope found.
# shellcheck disable=SC2317
look() (
	listed() (
		set -f
		IFS='
'
		# shellcheck disable=SC2046
		[ ! -s "$work/deep" ] || find $(cat "$work/deep") "$@"
		# shellcheck disable=SC2046
		[ ! -s "$work/single" ] || find $(cat "$work/single") -prune "$@"
	)
	survey
)

# belonging TREE: what the packages of TREE replace.
belonging() {
	replaced "$1" >"$work/replaced.all" || {
		grep '^::' "$work/replaced.all"
		exit 1
	}
	LC_ALL=C sort -u "$work/replaced.all" >"$work/replaced"
}

# full TEXT: what tar said, and what to do about it.
full() {
	case $1 in
	*"No space left"* | *"quota"*) fact hint "make room on the node at $path" ;;
	esac
	die "cannot copy the packages of $prefix: $(printf '%s\n' "$1" | tail -n 1)"
}

# owned_as FROM: the folders of which $work/folders has the paths get the owners that they have in FROM. Of files, tar takes care.
owned_as() {
	if stat -c %u . >/dev/null 2>&1; then set -- "$1" -c "%u:%g${tab}%n"; else set -- "$1" -f "%u:%g${tab}%N"; fi
	(cd "$1" && tr '\n' '\0' <"$work/folders" | xargs -0 stat "$2" "$3") >"$work/owners" || die "cannot see who owns the folders of $1"
	cut -f 1 "$work/owners" | sort -u | while read -r owner; do
		awk -F "$tab" -v owner="$owner" '$1 == owner { print $2 }' "$work/owners" | tr '\n' '\0' | xargs -0 chown "$owner"
	done
}

# bring FROM LINES: what lines name comes here from the folder FROM.
bring() {
	folders "$2" >"$work/folders"
	tr '\n' '\0' <"$work/folders" | xargs -0 mkdir -p . || die "cannot write to $(pwd)"
	if [ -s "$work/folders" ] && [ "$(id -u)" = 0 ]; then
		owned_as "$1"
	fi
	paths "$2" >"$work/files"
	if [ -s "$work/files" ]; then
		hard=
		! tar --hard-dereference --version >/dev/null 2>&1 || hard=--hard-dereference
		said=$({ (cd "$1" && tar $hard -cf - -T "$work/files") | tar -xpf -; } 2>&1) || full "$said"
	fi
	awk -F "$tab" '$1 == "d" { print $2 }' "$2" | sort -u | while read -r mode; do
		awk -F "$tab" -v mode="$mode" '$1 == "d" && $2 == mode { print $3 }' "$2" | tr '\n' '\0' | xargs -0 chmod "$mode"
	done
}

# sweep GONE WANT: removes the files that the lines GONE name, and the folders that get empty, but not those that WANT names.
sweep() {
	paths "$1" | tr '\n' '\0' | xargs -0 rm -f || die "cannot remove what was in $prefix"
	folders "$2" | LC_ALL=C sort -u >"$work/stay"
	{
		folders "$1"
		paths "$1" | awk '{ while (sub(/\/[^\/]*$/, "") && $0 != ".") if (!seen[$0]++) print }'
	} | LC_ALL=C sort -u | LC_ALL=C comm -23 - "$work/stay" | LC_ALL=C sort -r | tr '\n' '\0' | xargs -0 rmdir 2>/dev/null
}

# same WHAT LOST: ends the script if there are such lines.
same() {
	odd=$(paths "$2" | head -n 3 | tr '\n' ' ')
	[ -z "$odd" ] || die "$prefix does not come out as $1: ${odd% }"
}

# put_back ID: the prefix becomes what it was when the set was replaced.
put_back() {
	content "$1" >"$work/want"
	: >"$work/others"
	for other in "$current" "$half"; do
		[ ! -f "$path/releases/$other/rollpin.manifest" ] || content "$other" >>"$work/others"
	done
	# Where the interpreter works no more, the lists of the sets must do.
	replaced "$prefix" 2>/dev/null >"$work/replaced" || : >"$work/replaced"
	scope "$work/want" "$work/others"
	look >"$work/now"
	LC_ALL=C comm -23 "$work/now" "$work/want" >"$work/gone"
	LC_ALL=C comm -13 "$work/now" "$work/want" >"$work/come"
	sweep "$work/gone" "$work/want"
	bring "$path/releases/$1/tree" "$work/come"
	scope "$work/want" "$work/others"
	look >"$work/now"
	LC_ALL=C comm -3 "$work/now" "$work/want" | sed "s/^$tab//" >"$work/odd"
	same "it was kept" "$work/odd"
}

# put_in ID: its packages take the place of those that are there.
put_in() {
	tree=$path/releases/$1/tree
	content "$1" >"$work/want"
	belonging "$tree"
	scope "$work/want"
	look >"$work/now"
	LC_ALL=C comm -23 "$work/now" "$work/want" | awk -F "$tab" -v replaced="$work/replaced" '
		BEGIN { while ((getline path < replaced) > 0) known[path] = 1 }
		$1 == "f" && $6 in known || $1 == "l" && $2 in known
	' >"$work/gone"
	folders "$work/now" >"$work/there"
	LC_ALL=C comm -13 "$work/now" "$work/want" | awk -F "$tab" -v there="$work/there" '
		BEGIN { while ((getline path < there) > 0) known[path] = 1 }
		!($1 == "d" && $3 in known)
	' >"$work/come"
	sweep "$work/gone" "$work/want"
	bring "$tree" "$work/come"
	scope "$work/want"
	look >"$work/now"
	LC_ALL=C comm -13 "$work/now" "$work/want" >"$work/odd"
	same "it was staged" "$work/odd"
}

# seal ID RECORD: writes what makes a set of the folder in $work.
# shellcheck disable=SC2034
seal() {
	path=$work
	id=$1
	record=$2
	date=
	finish
}

# sound ID [DIGEST]: ends the script if the set is not what was staged or kept.
# shellcheck disable=SC2034
sound() (
	id=$1
	digest=${2:-$(sed -n 's/.*"digest":"\([0-9a-f]*\)".*/\1/p' "$path/releases/$1/release.json")}
	verify
)

# keep ID RECORD FREEZE NEXT: takes all that is in the prefix as the set ID, before the set NEXT comes.
keep() (
	content "$4" >"$work/next"
	belonging "$prefix"
	cd "$prefix" || exit 1
	scope "$work/next"
	look >"$work/before"
	if whole "$1" && content "$1" | cmp -s - "$work/before"; then
		exit 0
	fi
	set -- "$1" "$2" "$3" "$work/releases/$1"
	mkdir -p "$4/tree" && cd "$4/tree" || die "cannot write to $path"
	bring "$prefix" "$work/before"
	: >../whole
	printf '%s' "$3" >../rollpin.freeze || die "cannot write to $path"
	lock=
	[ ! -f "$path/releases/$1/rollpin.lock" ] || lock=$(cat "$path/releases/$1/rollpin.lock")
	[ -z "$lock" ] || lock="$lock
"
	kept=$path/releases/$1
	aside=$path/.rollpin/aside-$1
	(seal "$1" "$2") || exit 1
	content "$1" "$work" | cmp -s "$work/before" - || die "what is in $prefix changes while it is copied: stop what writes there"
	rm -rf "$aside"
	{ [ ! -e "$kept" ] || mv "$kept" "$aside"; } && mkdir -p "$path/releases" && mv "$4" "$kept" && rm -rf "$aside" ||
		die "cannot write to $path/releases"
)
