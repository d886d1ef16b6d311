#!/usr/bin/env bash
# Hostile peers against a node that may have so much memory and no more: every test of
# engine/tests/hostile/budgets.rs with each node in a control group of its own limit, and the most
# that it took. A node that is killed for its memory fails its test.
#
#   scripts/engine/memory.sh [MIB]     128 by default
#
# Needs root and control groups, version 1 or 2. Prints one line for the peak and for kills.
set -euo pipefail

mib=${1:-128}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
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
export FAIRHAUL_TEST_CGROUP=$group RUST_BACKTRACE=0
cd "$root"
status=0
cargo test -p fairhaul --test hostile budgets -- --test-threads 1 || status=$?
echo "peak_mib $(($(cat "$group/$peak") >> 20)) of $mib"
grep oom_kill "$group/$kills" | grep -v disable
exit "$status"
