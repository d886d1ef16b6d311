#!/usr/bin/env bash
# Makes reference results again with the commands in their manifests, and compares every
# table byte for byte. Without arguments: those marked quick. With `--all`: all of them.
set -euo pipefail
cd "$(dirname "$0")/.."
lab=${FAIRLAB:-target/release/fairlab}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

all=()
for manifest in results/*/manifest.json; do all+=("$(dirname "$manifest")"); done
quick=(results/limits results/churn)
chosen=("${quick[@]}")
[ "${1:-}" = --all ] && chosen=("${all[@]}")

for result in "${chosen[@]}"; do
  name=$(basename "$result")
  command=$(python3 -c 'import json,sys; print(json.load(open(sys.argv[1]))["command"])' \
    "$result/manifest.json")
  # The command is `fairlab sweep FILE ...`; only where it writes
  # and what it prints differ.
  read -r -a words <<<"$command"
  arguments=()
  skip=0
  for word in "${words[@]:1}"; do
    if [ "$skip" = 1 ]; then skip=0; continue; fi
    if [ "$word" = --out ]; then skip=1; continue; fi
    if [ "$word" = --json ]; then continue; fi
    arguments+=("$word")
  done
  "$lab" "${arguments[@]}" --out "$work/$name" --json >/dev/null
  for table in "$result"/*.csv; do
    cmp "$table" "$work/$name/$(basename "$table")"
  done
  echo "$name: every table is equal byte for byte"
done
