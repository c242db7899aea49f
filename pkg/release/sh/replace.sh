# Puts a set of packages into the prefix; what is there is kept first. A change that ended half way leaves .rollpin/changing.
cd "$prefix" || die "$prefix is gone"
if [ -z "$half" ] && [ -n "$from" ] && { [ "$keep" = always ] && [ "$from" != "$id" ] || [ ! -f "$path/releases/$from/release.json" ]; }; then
	keep "$from" "$fromrecord" "$freeze" "$id" || exit 1
fi
sound "$id" "$digest" || exit 1
if [ -n "$record" ]; then
	printf '%s\n' "$record" >"$path/releases/$id/release.json.new" && mv -f "$path/releases/$id/release.json.new" "$path/releases/$id/release.json" ||
		die "cannot write releases/$id/release.json"
	record=
fi
[ -n "$half" ] || base=$from
printf '%s\n' "$id" "$base" >"$path/.rollpin/changing.new" && mv -f "$path/.rollpin/changing.new" "$path/.rollpin/changing" ||
	die "cannot write to $path/.rollpin"
if whole "$id"; then
	put_back "$id"
else
	# Only from a set that is known can one go on.
	for known in ${half:+"$half" "$base"}; do
		if whole "$known"; then
			put_back "$known"
			break
		fi
	done
	put_in "$id"
fi
installed
