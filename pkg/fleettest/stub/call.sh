# shellcheck disable=SC2154 # run and machine are assigned above
# Hands the call of a service manager's tool to the node, which lives in another process, and prints its answer.
# The request is a file; the end of the answer is announced through a named pipe, held open for reading and writing so that neither side can miss the other.
PATH=$machine
call=$run/calls/$$
rm -rf "$call"
mkdir "$call" && mkfifo "$call/done" || exit 125
exec 3<>"$call/done"
printf '%s\0' "${0##*/}" "$@" > "$call/request"
echo $$ > "$run/door"
read -r status <&3
cat "$call/out"
cat "$call/err" >&2
rm -rf "$call"
exit "$status"
