#!/usr/bin/env bash
# Two builds of fairhaul in turns: what a pair over loopback takes with each, and the ratio.
#
#   scripts/engine/turns.sh BEFORE AFTER [OUT] [ROUNDS]
#
# BEFORE and AFTER are the two programs, OUT defaults to results/engine/turns, ROUNDS to 10. In a
# round each build moves one large file (LARGE_MIB, 1024 unless set) and a folder of 4,000 files of
# 4 to 64 KiB, in memory, between two fresh nodes; which build goes first changes from round to
# round. turns.csv has every transfer: wall seconds from `get` to its end, and the CPU seconds of
# both nodes until then. ratios.csv has, of each content and figure, the median of the rounds'
# ratios AFTER : BEFORE, with their least and greatest. Leave the machine alone meanwhile.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/swarmlib.sh"

[ $# -ge 2 ] || die "needs two programs: turns.sh BEFORE AFTER [OUT] [ROUNDS]"
command_line="scripts/engine/$(basename "$0") $*"
before=$(realpath "$1") after=$(realpath "$2")
for program in "$before" "$after"; do [ -x "$program" ] || die "no program at $program"; done
cd "$ROOT"
out=${3:-results/engine/turns} rounds=${4:-10} large=${LARGE_MIB:-1024}
need python3 cmp
FAIRHAUL=$after
work_folder
mkdir -p "$out" "$WORK/large"
head -c "${large}M" /dev/urandom >"$WORK/large/file"
python3 - "$WORK/small" <<'EOF'
import pathlib, random, sys
random.seed(1)
for i in range(4000):
    folder = pathlib.Path(sys.argv[1]) / f"{i // 500:02d}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"f{i}").write_bytes(random.randbytes(random.randint(4096, 65536)))
EOF

ticks=$(getconf CLK_TCK)
# cpu: CPU seconds of both nodes since they began.
cpu() {
  awk -v ticks="$ticks" '{ sum += $14 + $15 } END { printf "%.2f\n", sum / ticks }' \
    "/proc/${NODE_PID[a]}/stat" "/proc/${NODE_PID[b]}/stat"
}

# moved BUILD ROUND CONTENT: one row.
moved() {
  local build=$1 round=$2 content=$3 ticket start used ports
  export FAIRHAUL=${!build}
  rm -rf "$WORK/a" "$WORK/b" "$WORK/got"
  read -ra ports <<<"$(free_ports 2)"
  local key_a key_b
  key_a=$(new_key a) key_b=$(new_key b)
  node_file a "${ports[0]}" unlimited b "${ports[1]}" "$key_b"
  node_file b "${ports[1]}" unlimited a "${ports[0]}" "$key_a"
  start_node a
  start_node b
  wait_until 20 "the nodes do not meet" is_connected b 1
  ticket=$(control a share "$WORK/$content" 2>/dev/null | tail -n 1)
  used=$(cpu) start=$(seconds)
  control b get "$ticket" "$WORK/got" >/dev/null 2>&1
  awk -v build="$build" -v round="$round" -v content="$content" -v a="$start" -v b="$(seconds)" \
    -v c="$used" -v d="$(cpu)" \
    'BEGIN { printf "%s,%s,%s,%.3f,%.2f\n", content, round, build, b - a, d - c }' | tee -a "$out/turns.csv"
  [ "$(find "$WORK/got" -type f | wc -l)" = "$(find "$WORK/$content" -type f | wc -l)" ] ||
    die "not all files of $content came with $build"
  stop_all
}

echo "content,round,build,wall_s,cpu_s" >"$out/turns.csv"
for round in $(seq "$rounds"); do
  order=(before after)
  [ $((round % 2)) = 1 ] || order=(after before)
  for content in large small; do
    for build in "${order[@]}"; do moved "$build" "$round" "$content"; done
  done
done

python3 - "$out" <<'EOF'
import csv, pathlib, statistics, sys
out = pathlib.Path(sys.argv[1])
rows = list(csv.DictReader(open(out / "turns.csv")))
with open(out / "ratios.csv", "w", newline="") as file:
    ratios = csv.writer(file, lineterminator="\n")
    ratios.writerow(["content", "figure", "median_ratio", "least", "greatest", "rounds"])
    for content in ("large", "small"):
        for figure in ("wall_s", "cpu_s"):
            of = {(r["build"], r["round"]): float(r[figure]) for r in rows if r["content"] == content}
            each = sorted(of["after", n] / of["before", n] for b, n in of
                          if b == "before" and of[b, n] > 0)
            if not each:
                continue  # Less than a tick of the clock: nothing to tell.
            ratios.writerow([content, figure, *(f"{x:.3f}" for x in
                            (statistics.median(each), each[0], each[-1])), len(each)])
EOF
cat "$out/ratios.csv"
FAIRHAUL=$after manifest "$out/manifest.toml" "$command_line" "before = $(quoted "${BEFORE_COMMIT:-unknown}")" \
  "load = $(quoted "$(cut -d' ' -f1-3 /proc/loadavg)")"
