# shellcheck shell=bash
# What the tests of the deployment share. Sourced after `set -euo pipefail`.
# A test takes the static binary as $1, prints what it shows, and fails at the first wrong thing.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
export DEPLOY=$ROOT/deploy
BEGIN=$(date +%s%N)
LAST=''

say() { printf '%s\n' "$*"; }
die() { printf '%s: FAILED: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }
# skip WHY: ends the test without failing it.
skip() { printf '%s: skipped: %s\n' "$(basename "$0")" "$*"; exit 0; }
step() { printf '%5s s  %s\n' "$(awk -v ms="$((($(date +%s%N) - BEGIN) / 1000000))" 'BEGIN { printf "%.1f", ms / 1000 }')" "$*"; }
# has COMMAND...: whether all are there.
has() { local one; for one in "$@"; do command -v "$one" >/dev/null 2>&1 || return 1; done; }

# expect COMMAND...: it succeeds. refuse COMMAND...: it does not. Both leave what it said in LAST.
expect() { LAST=$("$@" 2>&1) || die "$(printf '%s ' "${@:1:6}")failed: $LAST"; }
refuse() { if LAST=$("$@" 2>&1); then die "$(printf '%s ' "${@:1:6}")did not fail: $LAST"; fi; }
# shows WORDS: LAST has them. hides WORDS: it has not.
shows() { [[ $LAST == *"$1"* ]] || die "no '$1' in: $LAST"; }
hides() { [[ $LAST != *"$1"* ]] || die "'$1' in: $LAST"; }
# one_line: LAST is a single line.
one_line() { [ "$(wc -l <<<"$LAST")" = 1 ] || die "not one line: $LAST"; }

# wait_for SECONDS WORDS COMMAND...
wait_for() {
  local until=$((SECONDS + $1)) words=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -le $until ] || die "$words"
    sleep 0.1
  done
}

# the_program FILE: exports the static binary under test.
the_program() {
  [ -x "${1:-}" ] || die "use: $(basename "$0") STATIC_BINARY"
  BINARY=$(realpath "$1")
  export BINARY FAIRHAUL=$BINARY
}
