# shellcheck shell=sh disable=SC2154
if [ ! -x "$python" ]; then
	fact problem "$prefix is no virtual environment: it has no bin/python"
	fact hint "make one on the node: python3 -m venv $prefix; or leave layout at releases"
	exit 0
fi
"$python" -I - "$prefix" 2>/dev/null <<'EOF_PYTHON' && list_installed found "$python"
import getpass, os, sys, sysconfig

def problem(text, hint):
    print("::problem " + text)
    print("::hint " + hint)

prefix = sys.argv[1]
if os.path.realpath(sys.prefix) != os.path.realpath(prefix):
    problem("%s/bin/python installs into %s" % (prefix, sys.prefix),
            "name that one as path, or make a virtual environment: python3 -m venv " + prefix)
elif sys.prefix == sys.base_prefix and os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED")):
    problem("the Python of %s belongs to the system's package manager" % prefix,
            "make a virtual environment, and name it as path: python3 -m venv DIRECTORY")
for folder in sorted({sysconfig.get_path(name) for name in ("purelib", "platlib", "scripts")}):
    if os.path.isdir(folder) and not os.access(folder, os.W_OK):
        problem("%s may not write to %s" % (getpass.getuser(), folder), "set ssh.become: sudo, or give it to that user on the node: chown -R")
EOF_PYTHON
