# shellcheck shell=sh disable=SC2154
if ! command -v "$python" >/dev/null 2>&1; then
	fact problem "there is no $python in PATH"
	fact hint "install Python 3.7 or newer on the node, or name its interpreter with the key python"
	exit 0
fi
"$python" -I - 2>/dev/null <<'EOF_PYTHON' && exit 0
import importlib.util, os, re, sys

def libc():
    if sys.platform != "linux":
        return os.uname().release.split(".")[0]
    try:
        return os.confstr("CS_GNU_LIBC_VERSION").replace(" ", "")
    except (ValueError, OSError, AttributeError):
        return "musl"

def pip_version():
    spec = importlib.util.find_spec("pip")
    if not spec or not spec.origin:
        return None
    with open(spec.origin) as file:
        found = re.search(r"__version__ *= *.(\d+)\.(\d+)", file.read())
    return found and (int(found.group(1)), int(found.group(2)))

def problem(text, hint):
    print("::problem " + text)
    print("::hint " + hint)

version = sys.version_info
bits = "" if sys.maxsize > 2**32 else "-32bit"
interpreter = "%s%d.%d%s" % (sys.implementation.name, version[0], version[1], getattr(sys, "abiflags", ""))
print("::platform %s-%s%s-%s-%s" % (sys.platform, os.uname().machine, bits, libc(), interpreter))
print("::python %d.%d.%d" % version[:3])
print("::interpreter " + os.path.realpath(getattr(sys, "_base_executable", sys.executable)))
pip = pip_version()
if pip:
    print("::pip %d.%d" % pip)
if version < (3, 7):
    problem("its Python is %d.%d, and 3.7 or newer is needed" % version[:2],
            "install a newer Python on the node, or name its interpreter with the key python")
elif not importlib.util.find_spec("venv"):
    problem("its Python has no module venv", "install it on the node (Debian: apt-get install python3-venv)")
elif not (pip and pip >= (22, 3)) and not importlib.util.find_spec("ensurepip"):
    problem("its Python has neither pip 22.3 or newer nor the module ensurepip",
            "install one of them on the node (Debian: apt-get install python3-venv)")
EOF_PYTHON
fact problem "$python does not work, or is not Python 3.7 or newer"
fact hint "run $python --version on the node; install Python 3.7 or newer, or name its interpreter with the key python"
