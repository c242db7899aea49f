# shellcheck shell=sh disable=SC2154
# trees prints the folders of the prefix that hold packages and nothing else, as ./PATH.
trees() {
	"$python" -I -c '
import os, sys, sysconfig
real = os.path.realpath(sys.prefix)
for path in sorted({os.path.realpath(sysconfig.get_path(name)) for name in ("purelib", "platlib")}):
    print("./" + os.path.relpath(path, real))
'
}

# replaced TREE prints each file of the prefix that belongs to a package which those in TREE replace, as ./PATH: all packages, but for the
# installer's own that TREE has not. What is byte-code of such a file belongs to it. Where it fails the last lines are facts.
replaced() {
	"$python" -I - "$1" <<'EOF_PYTHON'
import csv, glob, os, re, sys, sysconfig

real = os.path.realpath(sys.prefix)
folders = sorted({os.path.realpath(sysconfig.get_path(name)) for name in ("purelib", "platlib")})

def infos(folder):
    return sorted(glob.glob(os.path.join(glob.escape(folder), "*.*-info")) + glob.glob(os.path.join(glob.escape(folder), "*.egg-link")))

def name_of(info):
    return re.sub("[-_.]+", "-", os.path.basename(info).rpartition(".")[0].partition("-")[0]).lower()

def refuse(info, why, hint):
    print("::hint " + hint)
    print("::error %s, which is installed there, %s" % (name_of(info), why))
    sys.exit(1)

def files(info):
    if info.endswith(".egg-link"):
        refuse(info, "leads to a folder of its sources", "uninstall it on the node: %s -m pip uninstall %s" % (sys.executable, name_of(info)))
    for record, folder in (("RECORD", os.path.dirname(info)), ("installed-files.txt", info)):
        path = os.path.join(info, record)
        if os.path.isfile(path):
            with open(path, encoding="utf-8", newline="") as file:
                return [os.path.join(folder, row[0]) for row in csv.reader(file) if row]
    refuse(info, "has no list of its files", "install it again with pip on the node, so that there is one, or remove it by hand")

new = {name_of(info) for folder in folders for info in infos(os.path.join(sys.argv[1], os.path.relpath(folder, real)))}
stay = {"pip", "setuptools", "wheel", "pkg-resources", "distribute"} - new
found = set()
for folder in folders:
    for info in infos(folder):
        if name_of(info) in stay:
            continue
        for path in files(info):
            place, name = os.path.split(os.path.normpath(path))
            place = os.path.realpath(place)
            found.add(os.path.join(place, name))
            if name.endswith(".py"):
                found.update(glob.glob(os.path.join(glob.escape(os.path.join(place, "__pycache__", name[:-3])) + ".*.pyc")))
for path in sorted(found):
    if path.startswith(real + os.sep):
        print("./" + os.path.relpath(path, real))
EOF_PYTHON
}

# installed prints what the prefix has now.
installed() { list_installed found "$python"; }

