# shellcheck shell=sh disable=SC2154
# Nothing to restart, and nothing known about what runs.
[ "$verb" != probe ] || fact state unknown
