#!/usr/bin/env bash
# Measures the speeds that results/bench holds: nanoseconds per turn of each discipline, the
# fluid model, the event list, and flash crowds. Run it on an idle machine; ten minutes.
set -euo pipefail
cd "$(dirname "$0")/.."
out=results/bench
mkdir -p "$out"

# table BENCH CRATE: mean and interval of every case, from criterion's own estimates.
table() {
  rm -rf target/criterion
  cargo bench --quiet -p "$2" --bench "$1" -- --noplot >/dev/null
  python3 - "$1" <<'PY'
import json, pathlib, sys
bench = sys.argv[1]
rows = []
for path in sorted(pathlib.Path("target/criterion").rglob("new/estimates.json")):
    case = json.load(open(path.parent / "benchmark.json"))
    mean = json.load(open(path))["mean"]
    throughput = case.get("throughput") or {}
    per = next((v for v in throughput.values() if v), 1)
    low, high = (mean["confidence_interval"][k] for k in ("lower_bound", "upper_bound"))
    rows.append((case["full_id"], mean["point_estimate"] / per, low / per, high / per))
with open(f"results/bench/{bench}.csv", "w") as out:
    out.write("case,ns_per_element,ci_lo_ns,ci_hi_ns\n")
    for case, mean, low, high in rows:
        out.write(f"{case},{mean:.1f},{low:.1f},{high:.1f}\n")
PY
}

flash_crowd() {
  cargo build --release --quiet -p fairhaul-simulator --example flash_crowd
  {
    echo "peers,network,events,steps,wall_s,steps_per_s,peak_rss_kib,makespan_over_bound"
    for case in "1000 block" "1000 fluid" "10000 block"; do
      read -r peers network <<<"$case"
      target/release/examples/flash_crowd "$peers" 64 "$network" |
        awk -v peers="$peers" -v network="$network" '
          $1 == "events" { events = $2 } $1 == "steps" { steps = $2 } $1 == "wall" { wall = $2 }
          $1 == "steps/s" { rate = $2 } $1 == "peak" { rss = $3 } $1 == "Kumar-Ross" { ratio = $5 }
          END { print peers "," network "," events "," steps "," wall "," rate "," rss "," ratio }'
    done
  } >"$out/flash_crowd.csv"
}

# from PART COMMAND...: runs it, and says of which commit its table is.
from() {
  local part=$1 about=$out/about.txt
  shift
  "$@"
  touch "$about"
  sed -i "/^$part: /d" "$about"
  echo "$part: commit $(git rev-parse --short HEAD), $(rustc --version), $(
    awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), $(nproc) cores" >>"$about"
}

parts=("$@")
[ $# -gt 0 ] || parts=(disciplines fluid event_queue flash_crowd)
for part in "${parts[@]}"; do
  case $part in
    disciplines) from "$part" table disciplines fairhaul-core ;;
    fluid | event_queue) from "$part" table "$part" fairhaul-simulator ;;
    flash_crowd) from "$part" flash_crowd ;;
    *) echo "bench.sh: no part $part; allowed disciplines, fluid, event_queue, flash_crowd" >&2; exit 2 ;;
  esac
done
