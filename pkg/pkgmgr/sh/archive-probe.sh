# shellcheck shell=sh
fact platform any
for tool in tar gzip awk; do
	if ! command -v "$tool" >/dev/null 2>&1; then
		fact problem "there is no $tool in PATH"
		fact hint "install $tool on the node"
	fi
done
if ! command -v sha256sum >/dev/null 2>&1 && ! command -v shasum >/dev/null 2>&1; then
	fact problem "there is neither sha256sum nor shasum in PATH"
	fact hint "install sha256sum on the node (Debian: apt-get install coreutils)"
fi
