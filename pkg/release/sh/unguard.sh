# Gives the node back, if it is still this deployment's.
cd "$path/.rollpin" 2>/dev/null || exit 0
rm -f "guard.$deployment"
if [ "$(sed -n 1p guard 2>/dev/null)" = "$deployment" ]; then
	rm -f guard || die "cannot write to $path/.rollpin"
fi
