# shellcheck shell=sh disable=SC2154
make_venv "$tmp/venv"
if [ -z "$outside" ] && ! pip_since "$venv/bin/python" 22 2; then
	# Older ones have no --report. This one is thrown away with the temporary folder.
	run_pip install --upgrade 'pip>=22.2' || {
		fact hint "install pip 22.3 or newer for $python on the node, or offer pip on the index"
		failed "getting a pip that can resolve without installing (22.2)"
	}
fi
set -- --dry-run --ignore-installed --report "$tmp/report.json"
[ -n "$source" ] || set -- "$@" --only-binary :all:
# A file that no index has is named by its path, which the report tells as a URL.
run_pip install "$@" "${artifact:-$package==$version}" || pip_failed "pip cannot resolve $package $version"
sed -n "/^WARNING: .* yanked version: /{
N
s/^.* yanked version: '\([^']*\)' candidate (version \([^ ]*\) .*\nReason for being yanked: /\1 \2 is yanked: /p
}" "$tmp/log" | facts note

"$venv/bin/python" -I - "$tmp/report.json" "$artifact_hash" <<'EOF_PYTHON' || exit 1
import json, sys

with open(sys.argv[1], encoding="utf-8") as file:
    report = json.load(file)
for item in report["install"]:
    name, version = item["metadata"]["name"], item["metadata"]["version"]
    archive = item["download_info"].get("archive_info") or {}
    sha256 = (archive.get("hashes") or {}).get("sha256") or (archive.get("hash") or "").partition("sha256=")[2]
    if not sha256 or item["is_direct"] and sha256 != sys.argv[2]:
        print("::hint publish it on the index and depend on its version there")
        print("::error %s %s is required by URL, not from an index: no hash can pin it there" % (name, version))
        sys.exit(1)
    print("::locked %s %s %s" % (name, version, sha256))
EOF_PYTHON
