#!/usr/bin/env bash
# Kill -9 of either side, at random, many times in one transfer of a tree. Each side is started
# again at once with the same parameter file; the transfer has to end by itself, and the tree to
# be equal. Counts what came more than once.
#
#   kill.sh [--out DIR] [--kills N] [--mib N] [--rate "6 MB/s"] [--seed N]
#
# Exits non-zero if a node does not start again, the transfer does not end, or a byte differs.
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/swarmlib.sh"

command_line="scripts/engine/$(basename "$0") $*"
out=$ROOT/results/engine/kill kills=50 mib=400 rate="6 MB/s" seed=$$
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=$2; shift 2 ;;
    --kills) kills=$2; shift 2 ;;
    --mib) mib=$2; shift 2 ;;
    --rate) rate=$2; shift 2 ;;
    --seed) seed=$2; shift 2 ;;
    -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    *) die "no option $1" ;;
  esac
done
RANDOM=$seed
need python3 diff awk
work_folder
mkdir -p "$out"

# A tree of 600 files from 1 byte to some MiB, the sizes of which make up the whole.
python3 - "$WORK/tree" "$mib" "$seed" <<'END'
import os, random, sys
root, mib, seed = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
draw = random.Random(seed)
cuts = sorted(draw.randrange(mib << 20) for _ in range(599))
for i, (a, b) in enumerate(zip([0, *cuts], [*cuts, mib << 20])):
    folder = os.path.join(root, f"d{i % 17}", f"e{i % 5}")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"f{i}"), "wb") as file:
        file.write(draw.randbytes(b - a))
END
bytes=$((mib * 1048576))
files=$(find "$WORK/tree" -type f | wc -l)

read -r port_a port_b < <(free_ports 2)
key_a=$(new_key a)
key_b=$(new_key b)
node_file a "$port_a" "$rate" b "$port_b" "$key_b"
node_file b "$port_b" unlimited a "$port_a" "$key_a"
start_node a
start_node b
wait_until 10 "a and b are not connected" is_connected a 1

# sample: bytes of the content verified at b, bytes received by b in this life, by its socket.
sample() {
  control b status --json | member \
    'sum(t["done_bytes"] for t in j["transfers"]), j["node"]["down_bytes"], [t["state"] for t in j["transfers"]]' |
    tr -d '(),[]'"'"
}

ticket=$(control a share "$WORK/tree")
mkdir "$WORK/out"
begin=$(seconds)
control b get "$ticket" "$WORK/out" > "$WORK/get.log" 2>&1 &
PIDS+=($!)
wait_until 10 "the transfer does not begin" sample >/dev/null
past=0 killed_a=0 killed_b=0
for number in $(seq "$kills"); do
  # 0.1 to 1.6 s of life; connected or not, verifying or not.
  sleep "$(awk -v r="$RANDOM" 'BEGIN { printf "%.3f", 0.1 + r / 32768 * 1.5 }')"
  read -r have got state < <(sample || echo "0 0 unknown")
  [ "$have" -lt "$bytes" ] || die "the transfer was over before kill $number: take a lower --rate"
  if [ $((RANDOM % 2)) = 0 ]; then side=a; killed_a=$((killed_a + 1)); else side=b; killed_b=$((killed_b + 1)); fi
  if [ "$side" = b ]; then
    # The sender stands still while the receiver counts for the last time, so that nothing comes
    # between the count and the kill.
    kill -STOP "${NODE_PID[a]}"
    sleep 0.1
    read -r have got state < <(sample || echo "0 0 unknown")
    kill_node b
    kill -CONT "${NODE_PID[a]}"
    past=$((past + got))
  else
    kill_node a
  fi
  printf '%s,%s,%.3f,%s,%s,%s\n' "$number" "$side" \
    "$(awk -v a="$begin" -v b="$(seconds)" 'BEGIN { print b - a }')" "$have" "$got" "$state" >> "$WORK/kills"
  start_node "$side"
  wait_until 20 "$side does not start again after kill $number: $(tail -n 1 "$WORK/$side.log")" control "$side" status
done

is_whole() { read -r have got _ < <(sample) && [ "$have" = "$bytes" ]; }
wait_until 300 "the transfer does not end" is_whole
end=$(seconds)
# Names are made when all is whole.
equal() { diff -r "$WORK/tree" "$WORK/out/tree" > "$WORK/diff" 2>&1; }
wait_until 10 "the trees differ: $(head -n 1 "$WORK/diff" 2>/dev/null)" equal
read -r have got _ < <(sample)
received=$((past + got))

took=$(awk -v a="$begin" -v b="$end" 'BEGIN { printf "%.2f", b - a }')
{ echo "kill,side,at_s,verified_bytes,received_bytes_this_life,state"; cat "$WORK/kills"; } > "$out/kills.csv"
{ echo "kills,kills_sender,kills_receiver,files,content_bytes,received_bytes,extra_bytes,extra_bytes_per_kill,duration_s,equal"
  echo "$kills,$killed_a,$killed_b,$files,$bytes,$received,$((received - bytes)),$(((received - bytes) / kills)),$took,yes"
} > "$out/summary.csv"
manifest "$out/manifest.toml" "$command_line" "rate = $(quoted "$rate")" "seed = $seed" \
  'received = "bytes at the socket of the receiver in all its lives, with headers, hashes and handshakes"'
awk -F, 'NR == 2 { printf "%d kills (%d sender, %d receiver) in %s s, %d files, %.1f MB: equal; %.2f MB more than the content came (%.2f %%, %.0f kB a kill)\n",
  $1, $2, $3, $9, $4, $5 / 1e6, $7 / 1e6, 100 * $7 / $5, $8 / 1e3 }' "$out/summary.csv"
