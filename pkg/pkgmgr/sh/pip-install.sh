# shellcheck shell=sh disable=SC2154,SC2034
[ ! -e "$dir" ] || die "$dir is there already"
unfinished=$dir
make_venv "$dir"
printf '%s\n' "$lock" >"$tmp/lock.txt"
set -- --require-hashes --no-deps --no-compile
[ -n "$source" ] || set -- "$@" --only-binary :all:
[ -z "$artifact" ] || set -- "$@" --find-links "${artifact%/*}"
run_pip install "$@" -r "$tmp/lock.txt" || pip_failed "pip cannot install the lock"

# Byte-code that holds whatever the dates of files (PEP 552), and does not name this release: the same on every node, and from release to
# release where the source is. What does not compile, such as a template, is no module.
"$venv/bin/python" -I - >"$tmp/log" 2>&1 <<'EOF_PYTHON' || failed "compiling to byte-code"
import compileall, os, py_compile, sysconfig

unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
for folder in sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}):
    if os.path.isdir(folder):
        compileall.compile_dir(folder, ddir="", quiet=2, force=True, invalidation_mode=unchecked)
EOF_PYTHON

# What lies in the venv, read from the folders themselves: importlib.metadata is newer than Python 3.7 and takes 40 ms more.
"$venv/bin/python" -I - <<'EOF_PYTHON' || exit 1
import glob, os, sysconfig

for folder in sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}):
    for info in sorted(glob.glob(os.path.join(glob.escape(folder), "*.*-info"))):
        for name in ("METADATA", "PKG-INFO"):
            path = os.path.join(info, name)
            if os.path.isfile(path):
                header = {}
                with open(path, encoding="utf-8", errors="replace") as file:
                    for line in file:
                        if not line.strip():
                            break
                        key, _, value = line.partition(":")
                        header.setdefault(key, value.strip())
                print("::installed %s %s" % (header["Name"], header["Version"]))
                break
EOF_PYTHON
unfinished=
