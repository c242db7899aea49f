# shellcheck shell=sh disable=SC2154
# One quick retry: npm's own two take over a minute to say that a registry is down.
export npm_config_fetch_retries=1 npm_config_fetch_retry_mintimeout=1000 npm_config_fetch_timeout=20000
make_project "$tmp/project"
run_npm view "$package" versions dist-tags --json || npm_failed "npm cannot tell the versions of $package"
fact package "$package"
facts view <"$tmp/out"
