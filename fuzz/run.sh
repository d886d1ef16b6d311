#!/usr/bin/env bash
# Fuzzes each target for SECONDS (default 20) with libFuzzer and the address sanitizer.
# Usage: fuzz/run.sh [SECONDS] [TARGET...]
# Needs a nightly toolchain. Inputs that reach something new join fuzz/corpus; one that fails is
# left in fuzz/artifacts, and `cargo test -p fairhaul --test corpora` fails once it is moved to
# the corpus.
set -euo pipefail
cd "$(dirname "$0")"
seconds=${1:-20}
shift || true
targets=("$@")
[ "${#targets[@]}" -gt 0 ] || targets=(frame hello manifest path state)
cargo +nightly --version >/dev/null 2>&1 || {
  echo "fuzz/run.sh: no nightly toolchain here" >&2
  exit 1
}
host=$(rustc +nightly -vV | sed -n 's/^host: //p')
# What cargo-fuzz sets, without needing it.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares -Zsanitizer=address -Cdebug-assertions \
-Ccodegen-units=1"
cargo +nightly build --release --target "$host" --quiet || {
  echo "fuzz/run.sh: this nightly toolchain does not build the targets" >&2
  exit 3
}
for target in "${targets[@]}"; do
  mkdir -p "corpus/$target" artifacts
  echo "-- $target, $seconds s"
  "target/$host/release/$target" -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 \
    -artifact_prefix="artifacts/$target-" -print_final_stats=1 "corpus/$target" 2>&1 |
    grep -E "stat::number_of_executed_units|stat::average_exec|ERROR|panicked|SUMMARY" || true
  if compgen -G "artifacts/$target-*" >/dev/null; then
    echo "fuzz/run.sh: $target failed: fuzz/artifacts" >&2
    exit 1
  fi
done
