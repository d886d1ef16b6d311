#!/bin/sh
# How far the fluid network is from the block network and from an exact solver, on random uplinks
# and networks: results/agreement/agreement.csv, and on the shipped scenarios: shipped.csv there.
# Takes some minutes for three cases of each.
#
# usage: scripts/agreement.sh [CASES]
set -eu
cd "$(dirname "$0")/.."
out=results/agreement
mkdir -p "$out"
cargo run --release --quiet -p fairhaul-simulator --example agreement -- "${1:-3}" > "$out/agreement.csv.new"
mv "$out/agreement.csv.new" "$out/agreement.csv"
cargo build --release --quiet -p fairhaul-lab --bin fairlab
scripts/shipped.py target/release/fairlab > "$out/shipped.csv.new"
mv "$out/shipped.csv.new" "$out/shipped.csv"
target/release/fairlab manifest "$out" --name agreement --command scripts/agreement.sh \
  --commit "$(git rev-parse HEAD)" --note "$(rustc --version)"
cat "$out/agreement.csv" "$out/shipped.csv"
