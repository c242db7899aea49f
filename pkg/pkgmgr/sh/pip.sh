# shellcheck shell=sh disable=SC2154
# The node's pip.conf stays in force, but for what would lead pip away from the venv.
unset PYTHONPATH PYTHONHOME PIP_TARGET PIP_PREFIX PIP_ROOT PIP_PYTHON
export PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore PIP_PROGRESS_BAR=off
# A shim such as pyenv's stands for the interpreter: it costs 0.2 s a call, and hooks that fail when several pips end at once.
real=$("$python" -I -c 'import sys; print(sys.executable or "")' 2>/dev/null)
python=${real:-$python}
if [ -n "$index" ]; then
	# In the environment of pip, not in its arguments: the URL may hold a password.
	PIP_INDEX_URL=$index
	export PIP_INDEX_URL
fi

# pip_since INTERPRETER MAJOR MINOR: its pip is of that version or newer. Reading the file is ten times as fast as pip --version.
pip_since() {
	"$1" -I -c '
import importlib.util, re, sys
spec = importlib.util.find_spec("pip")
text = open(spec.origin, encoding="utf-8").read() if spec and spec.origin else ""
found = re.search(r"__version__ *= *.(\d+)\.(\d+)", text)
sys.exit(not found or tuple(map(int, found.groups())) < (int(sys.argv[1]), int(sys.argv[2])))
' "$2" "$3"
}

# make_venv DIR makes a venv, and run_pip serve it: by the interpreter's own pip where that can work on another environment
# (--python, since 22.3), for a bootstrapped one takes 3 seconds and 20 MB.
make_venv() {
	venv=$1
	"$python" -I -m venv --without-pip "$venv" >"$tmp/log" 2>&1 || failed "making a venv with $python"
	if pip_since "$python" 22 3; then
		outside=1
	else
		outside=
		"$venv/bin/python" -I -m ensurepip >"$tmp/log" 2>&1 || {
			fact hint "install pip 22.3 or newer for $python on the node, or its ensurepip (Debian: apt-get install python3-venv)"
			failed "putting pip into the venv"
		}
	fi
}

run_pip() {
	[ -z "$trusted" ] || set -- --trusted-host "$trusted" "$@"
	if [ -n "$outside" ]; then
		"$python" -I -m pip --python "$venv/bin/python" "$@" >"$tmp/log" 2>&1
	else
		"$venv/bin/python" -I -m pip "$@" >"$tmp/log" 2>&1
	fi
}

# pip_failed WHAT: pip's own errors in one line.
pip_failed() {
	not_killed $? "$1"
	reason=$(redacted "$tmp/log" |
		sed -n -e '/^ERROR: ResolutionImpossible/d' -e 's/^ERROR: //p' -e 's/^    \([^ ]*==[^ ]*\) from .*/(\1)/p' -e 's/^    \(.* depends on .*\)/\1;/p' |
		head -n 5 | tr '\n' ' ' | cut -c 1-600)
	case $reason in
	*"No matching distribution"* | *"Could not find a version"*)
		hint="if it came from a file that no index has, name that: --artifact FILE"
		[ -n "$source" ] || hint="$hint; if the index has it only as a source distribution, set allow_source: true"
		fact hint "$hint"
		;;
	*"DO NOT MATCH THE HASHES"*)
		fact hint "a file of the index is not the one that was locked: find out who replaced it, or which mirror has another one"
		;;
	*"No space left"*)
		fact hint "make room on the node, also in $parent"
		;;
	esac
	failed "$1" "${reason% }"
}

