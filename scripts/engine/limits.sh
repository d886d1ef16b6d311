#!/usr/bin/env bash
# Measures limits: configured against what leaves the sockets over 10 s, the first second
# included, and the worst second; the cap of a node, of a peer, of a transfer, all at once, and
# rsync --bwlimit. Writes results/engine/limits. Needs root, rsync; 12 minutes.
#
# Environment: REPEATS=3, RATES="1 10 100" in MB/s, BURST="15 ms", OUT. On a machine with other
# work, run it as `chrt -r 1 scripts/engine/limits.sh`.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
out=${OUT:-$root/results/engine/limits}
seconds=10
port=7440
repeats=${REPEATS:-3}
read -r -a rates <<<"${RATES:-1 10 100}"
burst=${BURST:-15 ms}
mkdir -p "$out"
space host
table=$work/limits.csv
head="program,caps,repeat,flow,cap_bytes_s,sent_bytes_s,error_pct,first_second_error_pct"
echo "$head,slowest_second_error_pct,fastest_second_error_pct,worst_second_error_pct,goodput_bytes_s,cpu_waited_pct" >"$table"

# content NAME MEGABYTES
content() {
  if [ ! -f "$work/$1" ]; then head -c "$2MB" /dev/urandom >"$work/$1"; fi
}

# set_up CAP-OF-NODE CAP-OF-B: a sender and three peers, connected.
set_up() {
  local name
  declare -A key
  for name in a b c d; do
    rm -rf "${work:?}/$name"
    key[$name]=$(new_key "$name")
  done
  node_file a "127.0.0.1:$port"
  local at=2
  for name in b c d; do
    node_file "$name" "127.0.0.$at:$port"
    peer_of "$name" a "${key[a]}" ""
    local line=""
    if [ "$name" = b ]; then line="upload = \"$2\""; fi
    peer_of a "$name" "${key[$name]}" "127.0.0.$at:$port" "$line"
    at=$((at + 1))
  done
  printf '[limits]\nupload = "%s"\nburst = "%s"\n' "$1" "$burst" >>"$work/a/node.toml"
  for name in b c d a; do run_node "$name" host; done
  wait_peers a 3
}

# samples: from before the first byte until enough are there.
samples() {
  pressure=$(waited_us)
  within host python3 "$here/meter.py" "$1" "$((seconds + 4))" 5 >"$work/samples.csv" &
  meter=$!
  started+=("$meter")
  sleep 0.5
}

# rows PROGRAM CAPS REPEAT FILE-OF-GOODPUT FLOW=CAP...
rows() {
  local program=$1 caps=$2 repeat=$3 goodput=$4
  shift 4
  wait "$meter"
  local share_pct=$((($(waited_us) - pressure) / ((seconds + 4) * 10000)))
  python3 "$here/limits.py" "$work/samples.csv" "$seconds" "$@" >"$work/rows.csv"
  while read -r row; do echo "$program,$caps,$repeat,$row,$goodput,$share_pct"; done <"$work/rows.csv" >>"$table"
}

# waited_us: how long any process of this machine has waited for a core. Measurements in which
# much of the time somebody waited are disturbed.
waited_us() { sed -n 's/^some .*total=//p' /proc/pressure/cpu; }

share() { "$FAIRHAUL" share -c "$work/a/node.toml" "$work/$1"; }

# fetch NAME TICKET: bytes of the content and the seconds until it was there.
fetch() {
  mkdir -p "$work/$1/out"
  "$FAIRHAUL" get -c "$work/$1/node.toml" --json "$2" "$work/$1/out" |
    python3 -c 'import json,sys
got = json.load(sys.stdin)
print(round(got["bytes"] / got["seconds"]))'
}

# cap_id TICKET-NAME RATE: a cap of that transfer.
cap_transfer() {
  local id
  id=$("$FAIRHAUL" status -c "$work/a/node.toml" --json | python3 -c 'import json,sys
print(next(t["id"] for t in json.load(sys.stdin)["transfers"] if t["name"] == sys.argv[1]))' "$1")
  "$FAIRHAUL" limit -c "$work/a/node.toml" "transfer:$id" "$2" >/dev/null
}

# one RATE REPEAT CAPS: a single cap of a kind, on one transfer.
one() {
  local rate=$1 repeat=$2 caps=$3 node=unlimited peer=unlimited ticket
  if [ "$caps" = node ]; then node="$rate MB/s"; fi
  if [ "$caps" = peer ]; then peer="$rate MB/s"; fi
  content "single$rate" "$((rate * (seconds + 1)))"
  set_up "$node" "$peer"
  ticket=$(share "single$rate")
  if [ "$caps" = transfer ]; then cap_transfer "single$rate" "$rate MB/s"; fi
  samples "$port"
  fetch b "$ticket" >"$work/goodput"
  rows fairhaul "$caps" "$repeat" "$(cat "$work/goodput")" "127.0.0.2=$((rate * 1000000))"
  cmp "$work/single$rate" "$work/b/out/single$rate"
  end_all
}

# all_at_once RATE REPEAT: the node at RATE; its peer b at 0.3 of that, a transfer to c at 0.2 of
# it, and d, without a cap of its own, has the rest: every cap binds.
all_at_once() {
  local rate=$1 repeat=$2 name fetches=()
  local mega=$((rate * 1000000))
  declare -A ticket
  set_up "$rate MB/s" "$((rate * 300)) kB/s"
  for name in b c d; do
    content "for-$name-$rate" "$((rate * (seconds + 1)))"
    ticket[$name]=$(share "for-$name-$rate")
  done
  cap_transfer "for-c-$rate" "$((rate * 200)) kB/s"
  samples "$port"
  for name in b c d; do
    mkdir -p "$work/$name/out"
    "$FAIRHAUL" get -c "$work/$name/node.toml" "${ticket[$name]}" "$work/$name/out" \
      >/dev/null 2>&1 &
    fetches+=("$!")
  done
  rows fairhaul "all at once" "$repeat" "" "127.0.0.2=$((mega * 3 / 10))" \
    "127.0.0.3=$((mega * 2 / 10))" "127.0.0.4=$((mega * 5 / 10))" \
    "127.0.0.2,127.0.0.3,127.0.0.4=$mega"
  kill "${fetches[@]}" 2>/dev/null || true
  wait "${fetches[@]}" 2>/dev/null || true
  end_all
}

# by_rsync RATE REPEAT: a push to a daemon, limited where it is sent.
by_rsync() {
  local rate=$1 repeat=$2 begin
  content "single$rate" "$((rate * (seconds + 1)))"
  rm -rf "$work/rsync"
  mkdir -p "$work/rsync"
  printf 'use chroot = no\nuid = 0\ngid = 0\n[in]\npath = %s\nread only = no\n' "$work/rsync" \
    >"$work/rsyncd.conf"
  start "$work/rsyncd.log" ip netns exec "$tag-host" rsync --daemon --no-detach \
    --config="$work/rsyncd.conf" --address=127.0.0.9 --port=8730
  sleep 0.5
  samples 8730
  begin=$(date +%s.%N)
  within host rsync --whole-file --bwlimit="${rate}MB" "$work/single$rate" rsync://127.0.0.9:8730/in/
  local goodput
  goodput=$(awk -v b="$begin" -v e="$(date +%s.%N)" -v n="$((rate * (seconds + 1) * 1000000))" \
    'BEGIN { printf "%.0f", n / (e - b) }')
  rows rsync "--bwlimit" "$repeat" "$goodput" "127.0.0.9=$((rate * 1000000))"
  end_all
}

for repeat in $(seq "$repeats"); do
  for rate in "${rates[@]}"; do
    for caps in node peer transfer; do one "$rate" "$repeat" "$caps"; done
    all_at_once "$rate" "$repeat"
    by_rsync "$rate" "$repeat"
  done
done

cp "$table" "$out/limits.csv"
manifest "$out/manifest.txt" "command=scripts/engine/limits.sh" \
  "measured=bytes_sent less bytes_retrans of the sender's sockets, every 5 ms, of $seconds s from the first byte; every window of 1 s" \
  "burst=$burst" "repeats=$repeats" "link=loopback of a network namespace, MTU 65536" \
  "congestion control=$(within host sysctl -n net.ipv4.tcp_congestion_control)"
cut -d, -f1-5,7,8,11,13 "$table" | column -s, -t
