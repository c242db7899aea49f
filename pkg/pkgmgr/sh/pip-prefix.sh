# shellcheck shell=sh disable=SC2034,SC2154
# The prefix that packages are installed into. Its own interpreter serves it.
# shellcheck disable=SC2088
case $prefix in
"~/"*) prefix=${HOME-}/${prefix#"~/"} ;;
esac
python=$prefix/bin/python

