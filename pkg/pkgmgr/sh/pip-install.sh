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
        for workers in 0, 1:  # as many as there are processors; some systems cannot have several
            try:
                compileall.compile_dir(folder, ddir="", quiet=2, force=True, invalidation_mode=unchecked, workers=workers)
                break
            except (OSError, NotImplementedError):
                pass
EOF_PYTHON

list_installed installed "$venv/bin/python"
unfinished=
