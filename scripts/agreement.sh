#!/bin/sh
# How far the fluid network is from the block network and from an exact solver, on random uplinks
# and networks: results/agreement/agreement.csv. Takes some minutes for three cases of each.
#
# usage: scripts/agreement.sh [CASES]
set -eu
cd "$(dirname "$0")/.."
out=results/agreement
mkdir -p "$out"
cargo run --release --quiet -p fairhaul-simulator --example agreement -- "${1:-3}" > "$out/agreement.csv.new"
mv "$out/agreement.csv.new" "$out/agreement.csv"
cat "$out/agreement.csv"
