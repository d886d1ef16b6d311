#!/usr/bin/env bash
# What attacks cost a node: one line each, from the harness of engine/tests/hostile against the
# program as it was built. Build it with --release for figures that mean something.
#
#   scripts/engine/attacks.sh [CARGO-OPTION...]
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/../.."
cargo test "$@" -p fairhaul --test hostile figures_of_attacks -- --ignored --nocapture 2>&1 |
  grep '^figure: '
