# Makes room for a release that is about to be installed at its final path.
said=$(mkdir -p "$path/releases" "$path/.rollpin" 2>&1) || die "cannot write to $path: ${said##*: }"
dir=$path/releases/$id
if [ -s "$dir/release.json" ]; then
	die "$dir is a finished release already"
fi
rm -rf "$dir" || die "cannot remove the leftovers in $dir"
