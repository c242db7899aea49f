# Prints the manifest of a release.
facts manifest <"$path/releases/$id/rollpin.manifest" || die "release $id has no manifest on the node"
