# Remembers that the release was seen healthy here.
cd "$path" || die "$path is gone"
printf '%s\n' "$id" >.rollpin/confirmed.new && mv -f .rollpin/confirmed.new .rollpin/confirmed || die "cannot write to $path/.rollpin"
