# shellcheck shell=sh disable=SC2154
command -v systemctl >/dev/null 2>&1 || die 'systemctl is missing: systemd does not run this node'
shown=$(LC_ALL=C systemctl --no-ask-password --no-pager show -p LoadState -p ActiveState -p SubState -p Result -p NRestarts -p InvocationID -- "$unit" 2>&1) ||
	die "systemctl: $(printf '%s\n' "$shown" | tail -n 1)"
printf '%s\n' "$shown" | sed 's/=/ /' | sed 's/^/::/'
