#!/usr/bin/env bash
# Hostile peers against a node that may have so much memory and no more: every test of
# engine/tests/hostile/budgets.rs with each node in a control group of its own limit, and two hundred
# peers at 128 MiB. A node that is killed for its memory fails its test.
#
#   scripts/engine/memory.sh [OUT] [MIB]
#
# OUT defaults to results/engine/memory, MIB to 128. Needs root and control groups, version 1 or 2.
# Prints a line for each: the limit, the most that was taken, and how many nodes were killed.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/swarmlib.sh"

command_line="scripts/engine/$(basename "$0") $*"
cd "$ROOT"
out=${1:-results/engine/memory} mib=${2:-128}
need_root
if [ -d /sys/fs/cgroup/memory ]; then
  group=/sys/fs/cgroup/memory/fairhaul.$$ limit=memory.limit_in_bytes
  peak=memory.max_usage_in_bytes kills=memory.oom_control
else
  group=/sys/fs/cgroup/fairhaul.$$ limit=memory.max
  peak=memory.peak kills=memory.events
fi
mkdir "$group"
trap 'rmdir "$group"' EXIT
echo $((mib << 20)) >"$group/$limit"
mkdir -p "$out"
csv=$out/memory.csv
echo "attack,limit_mib,peak_mib,killed,fetch_ms" >"$csv"
# hostile TESTS OPTION...: runs those tests of the release build; what they say.
hostile() {
  RUST_BACKTRACE=0 cargo test --release --quiet --locked -p fairhaul --test hostile "$1" -- "${@:2}" 2>&1
}
FAIRHAUL_TEST_CGROUP=$group hostile budgets:: --test-threads 1 >&2
killed=$(awk '$1 == "oom_kill" { print $2 }' "$group/$kills")
echo "tests of budgets,$mib,$(($(cat "$group/$peak") >> 20)),$killed," | tee -a "$csv"
hostile two_hundred_peers --nocapture | sed -n 's/^figure: //p' | tee -a "$csv"
manifest "$out/manifest.toml" "$command_line" "load = $(quoted "$(cut -d' ' -f1-3 /proc/loadavg)")"
