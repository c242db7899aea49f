# Ends the script where the node is this deployment's no more.
if [ "$(sed -n 1p "$guard" 2>/dev/null)" != "$guardian" ]; then
	fact guarded "$(sed -n 3p "$guard" 2>/dev/null)"
	die "another deployment has taken this node over: nothing more is done to it"
fi
