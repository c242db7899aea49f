# shellcheck shell=sh disable=SC2154
# The node's .npmrc stays in force, but for what would lead npm away from the project, or leave logs behind.
unset npm_config_prefix
export npm_config_global=false npm_config_dry_run=false npm_config_package_lock=true npm_config_lockfile_version=3
export npm_config_audit=false npm_config_fund=false npm_config_update_notifier=false npm_config_progress=false npm_config_logs_max=0
# The project's .npmrc refers to it.
export ROLLPIN_NPM_CREDENTIALS="$credentials"

# make_project DIR writes the private project that run_npm works in.
make_project() {
	project=$1
	mkdir -p "$project" && printf '%s' "$manifest" >"$project/package.json" && printf '%s' "$npmrc" >"$project/.npmrc" ||
		die "$project cannot be written"
	# Under one name in every project, so that the lock does not tell where it came from. Package pkgmgr, tarball.go, knows the name.
	[ -z "$artifact" ] || cp "$artifact" "$project/rollpin-artifact.tgz" || die "$artifact cannot be copied to $project"
}

# artifact_there DIR: ends the script if the lock in DIR needs a file that was not given.
artifact_there() {
	if [ -z "$artifact" ] && grep -q '"file:rollpin-artifact.tgz"' "$1/package-lock.json"; then
		fact hint "name that file: --artifact FILE"
		die "the package came from a file that no registry has"
	fi
}

# run_npm ARGUMENTS… in the project; what it prints goes to $tmp/out, what it says to $tmp/log.
run_npm() { (cd "$project" && npm "$@") >"$tmp/out" 2>"$tmp/log"; }

# npm_failed WHAT: npm's own errors in one line.
npm_failed() {
	not_killed $? "$1"
	# "npm ERR!" became "npm error" with npm 10.
	redacted "$tmp/log" | sed -n -e 's/^npm ERR! *//p' -e 's/^npm error *//p' >"$tmp/errors"
	code=$(sed -n 's/^code //p' "$tmp/errors")
	case $code in
	E404) fact hint "see the spelling of package and which registry it is on; a private package needs index_auth, or a token in .npmrc on the node" ;;
	E401 | E403 | ENEEDAUTH) fact hint "give the registry's token with index_auth, or in .npmrc on the node" ;;
	ECONN* | ENOTFOUND | EAI_AGAIN | ETIMEDOUT | EHOSTUNREACH | ENETUNREACH | ERR_SOCKET_TIMEOUT)
		fact hint "see whether the node reaches the registry: its name, the network, a proxy (.npmrc: proxy)" ;;
	*CERT* | UNABLE_TO_*) fact hint "name the certificate authority in .npmrc on the node: cafile=FILE" ;;
	EINTEGRITY)
		wanted=$(sed -n 's/.*wanted \([^ ]*\) .*/\1/p' "$tmp/errors")
		name=$(awk -v wanted="$wanted" '/^    "node_modules/ { name = $1; gsub(/[":]|node_modules\//, "", name) } index($0, wanted) { print name; exit }' "$project/package-lock.json")
		fact hint "the registry's file of ${name:-a package} is not the one that was locked: find out who replaced it, or which mirror has another one"
		;;
	ENOSPC) fact hint "make room on the node, also in $parent" ;;
	esac
	reason=$(sed -e '/^code /d' -e '/^errno /d' -e '/^syscall /d' -e '/^A complete log/d' -e '/^Log files were/d' -e '/^ *at /d' -e '/^[0-9]* *$/d' "$tmp/errors" |
		head -n 2 | tr '\n' ' ' | cut -c 1-600)
	failed "$1" "${reason% }"
}

