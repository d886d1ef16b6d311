#!/usr/bin/env bash
# Shows that the tests pass each time: builds them once and runs all of them again and again.
#
# Usage: scripts/suite.sh [--busy] [--hostile] [ROUNDS]
#   --busy     keeps every core busy with something else meanwhile
#   --hostile  runs the tests against hostile peers alone, with those that take their time
# ROUNDS defaults to 20. Prints a line for each round and the number of rounds that failed; ends with
# code 1 if any did. What a failed round printed stays in the file that its line names.
set -euo pipefail
cd "$(dirname "$0")/.."

busy=false
select=(--workspace)
arguments=()
rounds=20
for word in "$@"; do
  case $word in
    --busy) busy=true ;;
    --hostile) select=(--workspace --test hostile) arguments=(-- --include-ignored) ;;
    *[!0-9]* | '' | 0) echo "suite.sh: what is \"$word\"? allowed --busy, --hostile, a number" >&2; exit 2 ;;
    *) rounds=$word ;;
  esac
done

logs=$(mktemp -d -t fairhaul-suite.XXXXXX)
burners=()
cleanup() {
  for pid in "${burners[@]}"; do kill "$pid" 2>/dev/null || true; done
  rmdir "$logs" 2>/dev/null || true
}
trap cleanup EXIT
trap 'exit 130' INT TERM

# With the tests of a package cargo builds its programs, which tests look for beside them.
cargo test "${select[@]}" --locked --quiet --no-run

if $busy; then
  for _ in $(seq "$(nproc)"); do
    (while :; do :; done) &
    burners+=("$!")
  done
fi

failed=0
for round in $(seq "$rounds"); do
  begun=$SECONDS
  log=$logs/round-$round
  verdict=passed
  cargo test "${select[@]}" --locked --no-fail-fast "${arguments[@]}" >"$log" 2>&1 || verdict=FAILED
  passed=$(awk '/^test result:/ { sum += $4 } END { print sum + 0 }' "$log")
  line="round $round: $verdict, $passed tests, $((SECONDS - begun)) s, load $(cut -d' ' -f1 /proc/loadavg)"
  if [ "$verdict" = passed ]; then
    rm "$log"
  else
    failed=$((failed + 1))
    line+=", $log: $(sed -n 's/^test \(.*\) \.\.\. FAILED$/\1/p' "$log" | paste -sd ' ')"
  fi
  echo "$line"
done
echo "$failed of $rounds rounds failed (busy: $busy, commit $(git rev-parse --short HEAD), $(nproc) cores)"
[ "$failed" = 0 ]
