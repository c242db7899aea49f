# shellcheck shell=sh disable=SC2154,SC2034
# Installs the lock beside the prefix: all that it would put there goes to $dir/tree. Nothing in the prefix changes.
[ ! -e "$dir" ] || die "$dir is there already"
unfinished=$dir
mkdir -p "$dir/tree" || die "cannot write to $dir"
replaced "$dir/tree" >"$tmp/replaced" || { # what cannot be replaced is told before anything is
	grep '^::' "$tmp/replaced"
	exit 1
}
outside=
venv=$prefix
if ! pip_since "$python" 9 0; then
	# The prefix has no pip: that of a throw-away venv works on it.
	make_venv "$tmp/venv"
	PYTHONPATH=$("$venv/bin/python" -I -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
	export PYTHONPATH
	run_pip() {
		[ -z "$trusted" ] || set -- --trusted-host "$trusted" "$@"
		"$python" -m pip "$@" >"$tmp/log" 2>&1
	}
fi
printf '%s\n' "$lock" >"$tmp/lock.txt"
set -- --require-hashes --no-deps --no-compile --ignore-installed --root "$dir/root"
[ -n "$source" ] || set -- "$@" --only-binary :all:
[ -z "$artifact" ] || set -- "$@" --find-links "${artifact%/*}"
run_pip install "$@" -r "$tmp/lock.txt" || pip_failed "pip cannot install the lock"
unset PYTHONPATH

# All files get one date, as those of a release have, so that a file that stays the same is not touched by the next set.
"$python" -I - "$dir/root" "$dir/tree" >"$tmp/log" 2>&1 <<'EOF_PYTHON' || failed "putting the packages in order"
import compileall, os, py_compile, sys, sysconfig

root, tree = sys.argv[1:]
date = 315532800
real = os.path.realpath(sys.prefix)
base = os.path.join(root, sys.prefix.lstrip("/"))

def inner(path):
    return os.path.relpath(os.path.realpath(path), real)

for folder, _, names in os.walk(base):
    target = os.path.normpath(os.path.join(tree, inner(os.path.join(sys.prefix, os.path.relpath(folder, base)))))
    os.makedirs(target, exist_ok=True)
    for name in names:
        os.rename(os.path.join(folder, name), os.path.join(target, name))
        os.utime(os.path.join(target, name), (date, date), follow_symlinks=False)
outside = [os.path.join(folder, name)[len(root):] for folder, _, names in os.walk(root) for name in names]
if outside:
    sys.exit("a package installs a file outside of %s: %s" % (sys.prefix, outside[0]))
for place in sorted({inner(sysconfig.get_path(name)) for name in ("purelib", "platlib")}):
    folder = os.path.join(tree, place)
    if os.path.isdir(folder):
        compileall.compile_dir(folder, ddir=os.path.join(sys.prefix, place), quiet=2, force=True,
                               invalidation_mode=py_compile.PycInvalidationMode.TIMESTAMP)
EOF_PYTHON
rm -rf "$dir/root"
trees >"$tmp/trees"
set --
while IFS= read -r place; do
	set -- "$@" "$dir/tree/$place"
done <"$tmp/trees"
list_installed installed "$python" "$@"
list_installed found "$python" "$@"
unfinished=
