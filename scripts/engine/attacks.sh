#!/usr/bin/env bash
# What attacks cost a node, from the harness of engine/tests/hostile against a release build: how
# long a person waits at most for an answer, how long a peer takes to come in and fetch 4 MiB, and
# the most descriptors and memory of the node, under each attack and under none.
#
#   scripts/engine/attacks.sh [OUT] [ROUNDS]
#
# OUT defaults to results/engine/attacks, ROUNDS to 3. Prints a line for each attack and round.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/swarmlib.sh"

command_line="scripts/engine/$(basename "$0") $*"
cd "$ROOT"
out=${1:-results/engine/attacks}
mkdir -p "$out"
echo "attack,slowest_answer_ms,fetch_ms,descriptors,memory_mib" >"$out/attacks.csv"
for _ in $(seq "${2:-3}"); do
  cargo test --release --quiet --locked -p fairhaul --test hostile figures_of_attacks -- \
    --ignored --nocapture 2>&1 | sed -n 's/^figure: //p' | tee -a "$out/attacks.csv"
done
manifest "$out/manifest.toml" "$command_line" "load = $(quoted "$(cut -d' ' -f1-3 /proc/loadavg)")"
