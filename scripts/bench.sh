#!/usr/bin/env bash
# Measures the speeds that results/bench holds: nanoseconds per turn of each discipline and of a
# whole uplink, the network models, the event list, a simulation, and flash crowds to 100,000.
#
# Usage: scripts/bench.sh [PART...]
# Without arguments all parts; run it on an idle machine, ten to fifteen minutes. Each part writes
# its table and says in manifest.json of which commit, by which command and on which machine.
# FAIRLAB names the program that writes the manifest [default: target/release/fairlab, built here].
set -euo pipefail
cd "$(dirname "$0")/.."
out=results/bench
mkdir -p "$out"
all=(disciplines uplink block fluid event_queue world flash_crowd)

# table BENCH CRATE: mean and interval of every case, from criterion's own estimates.
table() {
  rm -rf target/criterion
  cargo bench --locked --quiet -p "$2" --bench "$1" -- --noplot >/dev/null
  python3 - "$1" "$out" <<'PY'
import json, pathlib, sys
bench, out = sys.argv[1:]
rows = []
for path in sorted(pathlib.Path("target/criterion").rglob("new/estimates.json")):
    case = json.load(open(path.parent / "benchmark.json"))
    mean = json.load(open(path))["mean"]
    throughput = case.get("throughput") or {}
    per = next((v for v in throughput.values() if v), 1)
    low, high = (mean["confidence_interval"][k] for k in ("lower_bound", "upper_bound"))
    # Cases of growing size come one after the other.
    size = case["value_str"] or ""
    order = (case["group_id"], case["function_id"] or "", int(size) if size.isdigit() else 0)
    rows.append((order, case["full_id"], mean["point_estimate"] / per, low / per, high / per))
with open(f"{out}/{bench}.csv", "w") as table:
    table.write("case,ns_per_element,ci_lo_ns,ci_hi_ns\n")
    for _, case, mean, low, high in sorted(rows):
        table.write(f"{case},{mean:.1f},{low:.1f},{high:.1f}\n")
PY
}

# Peers, MiB, model: the content of the largest crowd is small, so that it ends in minutes.
flash_crowd() {
  {
    echo "peers,content_mib,network,events,steps,wall_s,steps_per_s,peak_rss_kib,makespan_over_bound"
    for case in "1000 64 block" "1000 64 fluid" "10000 8 block" "10000 8 fluid" "100000 1 block"; do
      read -r peers mib network <<<"$case"
      cargo bench --locked --quiet -p fairhaul-simulator --bench flash_crowd -- "$peers" "$mib" "$network" |
        awk -v peers="$peers" -v mib="$mib" -v network="$network" '
          $1 == "events" { events = $2 } $1 == "steps" { steps = $2 } $1 == "wall" { wall = $2 }
          $1 == "steps/s" { rate = $2 } $1 == "peak" { rss = $3 } $1 == "Kumar-Ross" { ratio = $5 }
          END { print peers "," mib "," network "," events "," steps "," wall "," rate "," rss "," ratio }'
    done
  } >"$work/flash_crowd.csv"
  # Nothing is replaced by half a table.
  mv "$work/flash_crowd.csv" "$out/flash_crowd.csv"
}

# noted PART LOAD: the part in the manifest, with a digest of its table.
noted() {
  local commit
  commit=$(git rev-parse HEAD)
  [ -z "$(git status --porcelain -uno -- . ':!results')" ] || commit=$commit-dirty
  rm -f "$out/about.txt" # what stood in its place before
  "$lab" manifest "$out" --name bench --command "scripts/bench.sh $1" --commit "$commit" \
    --note "$(date -u +%Y-%m-%dT%H:%MZ), $(rustc --version), load before $2"
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
parts=("$@")
[ $# -gt 0 ] || parts=("${all[@]}")
for part in "${parts[@]}"; do
  case " ${all[*]} " in
    *" $part "*) ;;
    *) echo "bench.sh: no part \"$part\"; allowed ${all[*]}" >&2; exit 2 ;;
  esac
done
lab=${FAIRLAB:-target/release/fairlab}
[ -n "${FAIRLAB:-}" ] || cargo build --locked --release --quiet -p fairhaul-lab --bin fairlab
for part in "${parts[@]}"; do
  load=$(cut -d' ' -f1-3 /proc/loadavg)
  case $part in
    disciplines | uplink) table "$part" fairhaul-core ;;
    flash_crowd) flash_crowd ;;
    *) table "$part" fairhaul-simulator ;;
  esac
  noted "$part" "$load"
  echo "$part: $SECONDS s"
done
