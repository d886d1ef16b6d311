#!/usr/bin/env bash
# Measures fairness on a shaped link between network namespaces: a small fetch beside four bulk
# transfers, for each discipline, and by nginx and rsync; shares by weight; an identity with many
# connections. Writes results/engine/fairness. Needs root, tc, nginx, rsync, curl; 15 minutes.
#
# Environment: PARTS="latency others weights identity", SECONDS_EACH, POLICIES, SETTINGS="none 96 auto",
# CONGESTION, OUT. On a machine with other work, run it as `chrt -r 1 scripts/engine/fairness.sh`.
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
out=${OUT:-$root/results/engine/fairness}
read -r -a parts <<<"${PARTS:-latency others weights identity}"
read -r -a policies <<<"${POLICIES:-fifo round-robin drr sparse-drr sparse-drr:transfer srpt}"
read -r -a settings <<<"${SETTINGS:-none 96 auto}"
seconds=${SECONDS_EACH:-30}
congestion=${CONGESTION:-$(sysctl -n net.ipv4.tcp_congestion_control)}
link_mbit=50
tbf=(rate "${link_mbit}mbit" burst 16kb latency 100ms)
# What the link carries of the bytes of sockets: 1,448 of 1,514 in every full frame. The cap is
# 96 % of that: 96 % of the 50 Mbit/s themselves would be more than fits.
cap_kbit=$((link_mbit * 1000 * 1448 * 96 / 151400))
port=7440
interval=200
count=$((seconds * 1000 / interval))
idle=25
mkdir -p "$out"

# A sender behind the shaped link, a switch, and receivers 1 to 5.
network() {
  local i
  space s
  space w
  ip -n "$tag-w" link add bridge0 type bridge
  ip -n "$tag-w" link set bridge0 up
  attach s 1
  within s tc qdisc add dev uplink root tbf "${tbf[@]}"
  for i in 1 2 3 4 5; do
    space "r$i"
    attach "r$i" "1$i"
  done
  for i in s r1 r2 r3 r4 r5; do
    within "$i" sysctl -q "net.ipv4.tcp_congestion_control=$congestion"
  done
}

# attach SPACE NUMBER: a cable from there to the switch.
attach() {
  ip -n "$tag-$1" link add uplink type veth peer name "to-$1" netns "$tag-w"
  ip -n "$tag-w" link set "to-$1" master bridge0 up
  ip -n "$tag-$1" address add "10.77.0.$2/24" dev uplink
  ip -n "$tag-$1" link set uplink up
}

# contents: bulk ones for each receiver, and small ones, all different.
contents() {
  local i
  mkdir -p "$work/files"
  for i in 1 2 3 4; do head -c 300MB /dev/urandom >"$work/files/bulk-$i"; done
  for i in $(seq 0 $((count + idle))); do head -c 16384 /dev/urandom >"$work/files/small-$i"; done
}

# nodes POLICY[:SHARE] SETTING RECEIVERS [WEIGHT...]: a sender and receivers, connected. SHARE is
# to whom it is fair, peers if it is not said. SETTING is none, 96 or auto: whether the sender has
# a cap below the link, or finds one.
nodes() {
  local policy=$1 setting=$2 receivers=$3 i name key_s key share=peer
  shift 3
  case $policy in *:*) share=${policy#*:} ;; esac
  rm -rf "$work/s"
  key_s=$(new_key s)
  node_file s "10.77.0.1:$port"
  for i in $(seq "$receivers"); do
    name=r$i
    rm -rf "${work:?}/$name"
    key=$(new_key "$name")
    peer_of s "$name" "$key" "" "weight = ${1:-1}"
    if [ $# -gt 0 ]; then shift; fi
    node_file "$name" "10.77.0.1$i:$port"
    peer_of "$name" s "$key_s" "10.77.0.1:$port"
    mkdir -p "$work/$name/out"
  done
  printf '[policy]\nuplink = "%s"\nshare = "%s"\n' "${policy%%:*}" "$share" >>"$work/s/node.toml"
  case $setting in
    96) printf '[limits]\nupload = "%s kbit/s"\nburst = "15 ms"\n' "$cap_kbit" ;;
    auto) printf '[limits]\nupload = "auto"\n' ;;
  esac >>"$work/s/node.toml"
  run_node s s
  for i in $(seq "$receivers"); do run_node "r$i" "r$i"; done
  wait_peers s "$receivers"
}

share() { python3 "$here/control.py" "$work/s/control.sock" tickets "$@"; }

# get RECEIVER TICKET: in the background.
get() {
  start "$work/$1/get.log" "$FAIRHAUL" get -c "$work/$1/node.toml" "$2" "$work/$1/out"
}

# queue: mean bytes that wait in the link, from one look a second.
queue() {
  local i
  for i in $(seq "$seconds"); do
    within s tc -s qdisc show dev uplink | awk '/backlog/ { print $2 + (($2 ~ /K/) ? $2 * 1023 : 0) }'
    [ "$i" = "$seconds" ] || sleep 1
  done | awk '{ sum += $1 } END { printf "%.0f", sum / NR }'
}

link_bytes() { within s cat /sys/class/net/uplink/statistics/tx_bytes; }

# case_of PROGRAM POLICY SETTING BULK-FUNCTION LATENCY-ARGUMENTS...: idle, then with bulk.
case_of() {
  local program=$1 policy=$2 setting=$3 bulk=$4 phase first number=$count
  local before begin waiting mbit
  shift 4
  for phase in idle bulk; do
    first=0
    if [ "$phase" = idle ]; then number=$idle; else number=$count first=$idle; fi
    if [ "$phase" = bulk ]; then
      "$bulk"
      sleep 3
    fi
    waiting=
    if [ "$phase" = bulk ]; then
      queue >"$work/queue" &
      waiting=$!
    fi
    before=$(link_bytes)
    begin=$EPOCHREALTIME
    within r5 python3 "$here/latency.py" "$number" "$interval" "$first" "$@" >"$work/ms"
    mbit=$(awk -v b="$before" -v a="$(link_bytes)" -v s="$begin" \
      -v e="$EPOCHREALTIME" 'BEGIN { printf "%.1f", (a - b) * 8 / 1e6 / (e - s) }')
    if [ -n "$waiting" ]; then wait "$waiting"; fi
    awk -v p="$program,$policy,$setting,$phase" '{ print p "," NR "," $1 }' "$work/ms" >>"$raw"
    echo "$program,$policy,$setting,$phase,$(python3 "$here/percentiles.py" <"$work/ms"),$(
      if [ "$phase" = bulk ]; then echo "$mbit,$(cat "$work/queue")"; else echo ","; fi)" >>"$table"
  done
  end_all
}

bulk_fairhaul() {
  local i ticket
  for i in 1 2 3 4; do
    ticket=$(sed -n "${i}p" "$work/bulk.tickets")
    get "r$i" "$ticket"
  done
}

bulk_http() {
  local i
  for i in 1 2 3 4; do
    start "$work/curl-$i.log" ip netns exec "$tag-r$i" curl -s -o /dev/null \
      "http://10.77.0.1:8080/bulk-$i"
  done
}

bulk_rsync() {
  local i
  for i in 1 2 3 4; do
    mkdir -p "$work/pulled-$i"
    start "$work/rsync-$i.log" ip netns exec "$tag-r$i" rsync \
      "rsync://10.77.0.1:8730/files/bulk-$i" "$work/pulled-$i/"
  done
}

by_fairhaul() {
  local policy=$1 setting=$2
  nodes "$policy" "$setting" 5
  share "$work"/files/bulk-? >"$work/bulk.tickets"
  local names=() i
  for i in $(seq 0 $((count + idle))); do names+=("$work/files/small-$i"); done
  share "${names[@]}" >"$work/small.tickets"
  case_of fairhaul "$policy" "$setting" bulk_fairhaul \
    fairhaul "$work/r5/control.sock" "$work/small.tickets" "$work/r5/out"
}

by_nginx() {
  cat >"$work/nginx.conf" <<EOT
worker_processes 1;
daemon off;
user root;
pid $work/nginx.pid;
error_log stderr;
events {}
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000;
  server { listen 10.77.0.1:8080; root $work/files; }
}
EOT
  start "$work/nginx.log" ip netns exec "$tag-s" nginx -e stderr -c "$work/nginx.conf"
  sleep 0.5
  case_of nginx - none bulk_http http 10.77.0.1 8080
}

by_rsync() {
  printf 'use chroot = no\nuid = 0\ngid = 0\n[files]\npath = %s\n' "$work/files" >"$work/rsyncd.conf"
  start "$work/rsyncd.log" ip netns exec "$tag-s" rsync --daemon --no-detach \
    --config="$work/rsyncd.conf" --address=10.77.0.1 --port=8730
  sleep 0.5
  mkdir -p "$work/small"
  case_of rsync - none bulk_rsync rsync rsync://10.77.0.1:8730/files "$work/small/"
}

# latency_tables: begun once, filled by both of the next.
latency_tables() {
  table=$work/latency.csv raw=$work/latency_raw.csv
  if [ -f "$table" ]; then return; fi
  echo "program,policy,upload_cap_pct,phase,fetches,p50_ms,p90_ms,p99_ms,max_ms,link_mbit_s,mean_queue_bytes" >"$table"
  echo "program,policy,upload_cap_pct,phase,fetch,latency_ms" >"$raw"
}

latency() {
  local policy setting
  latency_tables
  for setting in "${settings[@]}"; do
    for policy in "${policies[@]}"; do by_fairhaul "$policy" "$setting"; done
  done
  cp "$table" "$raw" "$out/"
  column -s, -t <"$table"
}

others() {
  latency_tables
  by_nginx
  by_rsync
  cp "$table" "$raw" "$out/"
  column -s, -t <"$table"
}

# measured SKIP NAME-OF-ROWS REMOTE=WEIGHT...: shares of what leaves the sender's sockets.
measured() {
  local skip=$1 name=$2
  shift 2
  within s python3 "$here/meter.py" "$port" "$((seconds + skip))" 100 >"$work/samples.csv"
  python3 "$here/shares.py" "$work/samples.csv" "$skip" "$@" | sed "s/^/$name,/" >>"$table"
}

weights() {
  local setting i
  table=$work/weights.csv
  echo "upload_cap_pct,remote,weight,sent_bytes,share_pct,share_error_pct" >"$table"
  for setting in "${settings[@]}"; do
    nodes drr "$setting" 3 1 2 4
    share "$work"/files/bulk-? >"$work/bulk.tickets"
    for i in 1 2 3; do get "r$i" "$(sed -n "${i}p" "$work/bulk.tickets")"; done
    sleep 1
    measured 1 "$setting" 10.77.0.11=1 10.77.0.12=2 10.77.0.13=4
    end_all
  done
  cp "$table" "$out/"
  column -s, -t <"$table"
}

# Receiver 1 is honest; the key of receiver 2 is used by 1 process, or by 100 that all call and
# all want the content.
identity() {
  local setting connections i name
  table=$work/identity.csv
  echo "upload_cap_pct,connections_tried,remote,weight,sent_bytes,share_pct,share_error_pct" >"$table"
  for setting in "${settings[@]}"; do
    for connections in 1 100; do
      nodes drr "$setting" 2
      share "$work"/files/bulk-? >"$work/bulk.tickets"
      for i in 1 2; do get "r$i" "$(sed -n "${i}p" "$work/bulk.tickets")"; done
      for i in $(seq 2 "$connections"); do
        name=more$i
        rm -rf "${work:?}/$name"
        mkdir -p "$work/$name/out"
        cp "$work/r2/identity.key" "$work/$name/"
        node_file "$name" "10.77.0.12:$((port + i))"
        sed -n '/^\[\[peer/,$p' "$work/r2/node.toml" >>"$work/$name/node.toml"
        run_node "$name" r2
        get "$name" "$(sed -n 2p "$work/bulk.tickets")"
      done
      measured 2 "$setting,$connections" 10.77.0.11=1 10.77.0.12=1
      end_all
    done
  done
  cp "$table" "$out/"
  column -s, -t <"$table"
}

network
contents
for part in "${parts[@]}"; do "$part"; done
manifest "$out/manifest.txt" "command=scripts/engine/fairness.sh" \
  "link=veth, tbf ${tbf[*]} on the egress of the sender, MTU 1500" \
  "cap=$cap_kbit kbit/s of socket bytes, 96 % of what the link carries, burst 15 ms" \
  "congestion control=$congestion" \
  "small fetches=16 KiB every $interval ms, $count beside bulk and $idle idle"
