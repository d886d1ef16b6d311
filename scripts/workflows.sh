#!/usr/bin/env bash
# Makes a sweep in parts with the files of docs/several-machines, for GNU parallel and for Snakemake,
# and compares each table byte for byte with that of a sweep in one go. What is not installed is
# skipped, which is said.
#
#   workflows.sh
#
# FAIRLAB names the program [default: target/release/fairlab].
# Exit codes: 0 done, 1 something is wrong, 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 0 ] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }
lab=$(realpath "${FAIRLAB:-target/release/fairlab}")
[ -x "$lab" ] || { echo "workflows.sh: no $lab: cargo build --release -p fairhaul-lab, or set FAIRLAB" >&2; exit 1; }
files=$PWD/docs/several-machines scenario=$PWD/experiments/scenarios/limits.toml
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir "$work/bin"
ln -s "$lab" "$work/bin/fairlab"
export PATH=$work/bin:$PATH
cd "$work"
fairlab sweep "$scenario" --out whole --json >talk.txt 2>&1 || { cat talk.txt >&2; exit 1; }

# equal TOOL OUT: what TOOL has put together is what one sweep makes.
equal() {
  local compared=0 table
  for table in whole/*.csv whole/*.hlog whole/overview.txt; do
    cmp "$table" "$2/$(basename "$table")"
    compared=$((compared + 1))
  done
  [ "$compared" -ge 5 ] || { echo "workflows.sh: only $compared tables were compared" >&2; exit 1; }
  echo "three parts under $1: $compared tables are equal byte for byte"
}

if command -v parallel >/dev/null 2>&1; then
  sh "$files/parallel.sh" "$scenario" parallel 3 >talk.txt 2>&1 || { cat talk.txt >&2; exit 1; }
  equal "GNU parallel" parallel
else
  echo "skipped: no GNU parallel here"
fi
if command -v snakemake >/dev/null 2>&1; then
  snakemake --snakefile "$files/Snakefile" --cores 2 --config file="$scenario" out=snakemake parts=3 \
    >talk.txt 2>&1 || { cat talk.txt >&2; exit 1; }
  equal "Snakemake" snakemake
else
  echo "skipped: no Snakemake here"
fi
