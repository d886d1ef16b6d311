#!/usr/bin/env bash
# Plays many schedules of delays, stalls, restarts and full disks among honest nodes, and counts in
# how many a node was closed for misbehaviour or a content was not whole in the end
# (engine/core/src/node/tests/honest.rs): results/honest/honest.csv, a row for each thousand seeds.
#
#   scripts/honest.sh [SEEDS] [OUT]
#
# SEEDS defaults to 100000, OUT to results/honest. Takes all cores. A row that failed names its
# first seed; FAIRHAUL_SEEDS=N..N+1 plays one alone. FAIRLAB names the program that writes the
# manifest [default: target/release/fairlab].
# Exit codes: 0 no schedule failed, 1 one did, 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
  -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
  *[!0-9]*) echo "honest.sh: SEEDS is a number, not $1; see --help" >&2; exit 2 ;;
esac
seeds=${1:-100000} out=${2:-results/honest}
command="scripts/honest.sh${1:+ $*}"
lab=${FAIRLAB:-target/release/fairlab}
[ -x "$lab" ] || { echo "honest.sh: no $lab: cargo build --release, or set FAIRLAB" >&2; exit 1; }
commit=$(git rev-parse HEAD)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$out"

# The last program that cargo names is the library's unit tests.
test=$(cargo test --release --locked --workspace --lib --no-run --message-format json 2>/dev/null |
  sed -n 's/.*"executable":"\([^"]*fairhaul_core-[^"]*\)".*/\1/p' | tail -n 1)
[ -x "$test" ] || { echo "honest.sh: no unit tests of fairhaul-core" >&2; exit 1; }

# thousand FIRST: plays a thousand seeds and writes their row.
thousand() {
  local end=$(($1 + 1000)) seed=""
  [ "$end" -le "$seeds" ] || end=$seeds
  FAIRHAUL_SEEDS=$1..$end "$test" no_schedule_makes_an_honest_nodes_offence >"$work/$1.log" 2>&1 ||
    seed=$(sed -n 's/^seed //p' "$work/$1.log" | head -n 1)
  grep -q "1 passed" "$work/$1.log" || seed=${seed:-none}
  echo "$1,$end,$seed" >"$work/$1.row"
}
export -f thousand
export seeds work test
seq 0 1000 $((seeds - 1)) | xargs -P "$(nproc)" -I{} bash -c 'thousand {}'
{
  echo "first_seed,end_seed,failed_seed"
  sort -n "$work"/*.row
} >"$out/honest.csv"
"$lab" manifest "$out" --name honest --command "$command" --commit "$commit" --note "$(rustc --version)"
failed=$(awk -F, 'NR > 1 && $3 != ""' "$out/honest.csv" | wc -l)
echo "$seeds schedules of honest nodes, $failed thousands with one that failed ($SECONDS s)"
[ "$failed" = 0 ]
