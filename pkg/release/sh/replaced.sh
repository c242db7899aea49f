rm -f "$path/.rollpin/changing" || die "cannot write to $path/.rollpin"
