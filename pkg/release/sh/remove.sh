# Removes releases, never the one that current leads to.
cd "$path/releases" || die "$path/releases is gone"
current=$(cd -P ../current 2>/dev/null && pwd)
stay=
for id; do
	case $id in
	.rollpin/*)
		case $id in
		*..*) ;;
		*) rm -rf "../$id" || stay="$stay $id" ;;
		esac
		continue
		;;
	esac
	[ "$current" != "$(cd -P "./$id" 2>/dev/null && pwd)" ] || continue
	# Without its record it is no release any more, however far the removal gets.
	if rm -f "./$id/release.json" && rm -rf "./$id"; then
		fact removed "$id"
	else
		stay="$stay $id"
	fi
done
[ -z "$stay" ] || die "cannot remove$stay"
