# shellcheck shell=sh disable=SC2154
make_project "$tmp/project"
# Without the addresses of the registry in the lock, every node asks its own; before npm 8.12 they stay in.
run_npm install --package-lock-only --ignore-scripts --omit=dev --omit-lockfile-registry-resolved ||
	npm_failed "npm cannot resolve $package $version"
facts lock <"$project/package-lock.json"
