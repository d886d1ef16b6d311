#!/usr/bin/env bash
# Simulates and emulates the scenarios in experiments/scenarios/worlds, and puts how far the two
# are apart into one table.
#
#   worlds.sh [--quick] [--scenario NAME]... [--replications N] [--speed X] [--out DIR]
#
#   --quick           one replication, and only drr and rarest-first where several are compared
#   --scenario NAME   only this one; may be repeated. One with a [deviation] is played by name alone
#   --replications N  of each cell [default: what the scenario says simulated, one emulated]
#   --speed X         play so many times as fast, 0.01 to 1000: 0.25 on a machine that has more to do
#   --out DIR         where the tables go [default: results/worlds]
#
# DIR gets worlds.csv (every row), table.md (those that a reader wants) and, of each scenario and
# world, runs.csv and manifest.json, and ranking.md where nodes deviate. All other tables of both
# worlds are left in out/worlds.
# FAIRLAB names the program [default: target/release/fairlab]; fairlab-emulate and fairhaul lie beside it.
# Needs root, because emulating makes network namespaces, and python3. Leave the machine alone
# meanwhile: a quarter of an hour, or three minutes with --quick.
# Exit codes: 0 done, 1 a scenario failed (the others are in the table), 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."

command_line="scripts/worlds.sh $*"
lab=${FAIRLAB:-target/release/fairlab}
out=results/worlds work=out/worlds quick=0
names=() replications=() speed=()

usage() { echo "worlds.sh: $1; see --help" >&2; exit 2; }
while [ $# -gt 0 ]; do
  case $1 in
    --quick) quick=1; shift ;;
    --scenario|--replications|--speed|--out)
      [ $# -gt 1 ] || usage "$1 needs a value"
      case $1 in
        --scenario) names+=("$2") ;;
        --replications) replications=(--replications "$2") ;;
        --speed) speed=(--speed "$2") ;;
        --out) out=$2 ;;
      esac
      shift 2 ;;
    -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    *) usage "no option $1" ;;
  esac
done
if [ ${#names[@]} = 0 ]; then
  for file in experiments/scenarios/worlds/*.toml; do
    grep -q '^\[deviation\]' "$file" || names+=("$(basename "$file" .toml)")
  done
fi
for name in "${names[@]}"; do
  [ -f "experiments/scenarios/worlds/$name.toml" ] || usage "no scenario $name"
done
[ "$(id -u)" = 0 ] || { echo "worlds.sh: needs root: it makes network namespaces" >&2; exit 1; }
[ -x "$lab" ] || { echo "worlds.sh: no $lab: cargo build --release -p fairhaul -p fairhaul-lab -p fairhaul-emulate, or set FAIRLAB" >&2; exit 1; }
if [ "$quick" = 1 ] && [ ${#replications[@]} = 0 ]; then replications=(--replications 1); fi

# one NAME: both worlds of a scenario, and the comparison in $work/NAME/worlds.csv.
one() {
  local name=$1 file=experiments/scenarios/worlds/$1.toml here=$work/$1
  mkdir -p "$here"
  rm -f "$here/worlds.csv"
  if [ "$quick" = 1 ]; then
    sed -e 's/^"policy\.uplink" = .*/"policy.uplink" = ["drr"]/' \
      -e 's/^"policy\.picker" = .*/"policy.picker" = ["rarest-first"]/' -e '/^baseline = /d' "$file" \
      >"$here/quick.toml"
    file=$here/quick.toml
  fi
  "$lab" sweep "$file" --force --out "$here/simulated" "${replications[@]}" --json >/dev/null &&
    "$lab" emulate "$file" --force --out "$here/emulated" "${replications[@]}" "${speed[@]}" \
      >"$here/emulated.txt" &&
    "$lab" compare "$here/simulated" "$here/emulated" --out "$here/worlds.csv"
}

mkdir -p "$out"
failed=() done_names=()
for name in "${names[@]}"; do
  echo "== $name" >&2
  if one "$name"; then done_names+=("$name"); else failed+=("$name"); fi
done

# Only what was just compared is in the table: no row of an earlier try stays.
tables=()
for name in "${done_names[@]}"; do
  tables+=("$work/$name/worlds.csv")
  for world in simulated emulated; do
    mkdir -p "$out/$name/$world"
    cp "$work/$name/$world/runs.csv" "$work/$name/$world/manifest.json" "$out/$name/$world/"
  done
  if grep -q '^\[deviation\]' "experiments/scenarios/worlds/$name.toml"; then
    python3 scripts/ranking.py "$out/$name" "$command_line"
  fi
done
if [ ${#tables[@]} -gt 0 ]; then
  awk 'FNR > 1 || NR == 1' "${tables[@]}" >"$out/worlds.csv.part"
  mv "$out/worlds.csv.part" "$out/worlds.csv"
  python3 scripts/worlds.py "$out" "$command_line"
fi
if [ ${#failed[@]} -gt 0 ]; then
  echo "worlds.sh: failed: ${failed[*]}" >&2
  exit 1
fi
