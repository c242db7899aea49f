# shellcheck shell=sh
# list_installed KEY INTERPRETER [FOLDER…] prints the fact KEY NAME VERSION for what lies in the interpreter's own folders, or in these. It is read
# from the folders themselves: importlib.metadata is newer than Python 3.7 and takes 40 ms more.
list_installed() {
	fact=$1
	interpreter=$2
	shift 2
	"$interpreter" -I - "$fact" "$@" <<'EOF_PYTHON' || exit 1
import glob, os, sys, sysconfig

for folder in sys.argv[2:] or sorted({sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}):
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
                print("::%s %s %s" % (sys.argv[1], header["Name"], header["Version"]))
                break
EOF_PYTHON
}

