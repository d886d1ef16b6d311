#!/usr/bin/env bash
# A swarm on shaped links: one seed and its leechers, each in a network namespace of its own on one
# bridge, every egress shaped with a token bucket. How long until everybody has everything, as a
# multiple of the bound of Kumar and Ross; beside it aria2 in the same setting.
#
#   swarm.sh [--out DIR] [--repeat N] [--mib N] [CASE...]
#
# A case is SETTING[:KEY=VALUE...], such as equal:unchoke=none:limit=95. Settings: equal (seed 20,
# eight leechers 20 Mbit/s), mix (seed 20; leechers 5, 20 and 50), mix50 (the same, seed 50),
# riders (seed 20, six leechers 20, of which the last two give little). Keys: engine (fairhaul,
# aria2), unchoke, seed-rule, picker, uplink, limit (what the node may send, % of its link; none),
# rider (what one of the last two may send, in bytes a second). 95 is the default limit: headers
# below the socket take 4.5 %. A rider sends 1 B/s unless said.
# Needs root, tc, ip, python3, and aria2c for the cases of aria2. No case: all that are committed.
set -euo pipefail

# What is shared is checked as a file of its own.
# shellcheck source=/dev/null
. "$(dirname "$0")/swarmlib.sh"

command_line="scripts/engine/$(basename "$0") $*"
out=$(dirname "$0")/../../results/engine/swarm repeat=3 mib=64
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=$2; shift 2 ;;
    --repeat) repeat=$2; shift 2 ;;
    --mib) mib=$2; shift 2 ;;
    -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    -*) die "no option $1" ;;
    *) break ;;
  esac
done
cases=("$@")
if [ ${#cases[@]} = 0 ]; then
  for setting in equal mix mix50; do
    cases+=("$setting" "$setting:limit=none" "$setting:engine=aria2")
  done
  cases+=("riders" "riders:seed-rule=even" "riders:engine=aria2")
fi

need_root
need ip tc python3 cmp awk
work_folder
bytes=$((mib * 1048576))
head -c "$bytes" /dev/urandom > "$WORK/content"
mkdir -p "$out"

# Uplinks in Mbit/s, the seed first.
uplinks_of() {
  case $1 in
    equal) echo 20 20 20 20 20 20 20 20 20 ;;
    mix) echo 20 5 5 5 20 20 20 50 50 ;;
    mix50) echo 50 5 5 5 20 20 20 50 50 ;;
    riders) echo 20 20 20 20 20 20 20 ;;
    *) die "no setting $1" ;;
  esac
}

# Kumar and Ross 2006, downlinks unlimited: the seed sends everything once, and all uplinks
# together send everything to everybody. Who gives nothing has no uplink. Seconds.
bound_of() {
  awk -v bytes="$bytes" -v riders="$1" -v rates="$2" 'BEGIN {
    n = split(rates, rate, " ")
    for (i = 1; i <= n - riders; i++) sum += rate[i]
    seed = bytes * 8 / (rate[1] * 1e6); all = (n - 1) * bytes * 8 / (sum * 1e6)
    printf "%.3f", (seed > all ? seed : all) }'
}

# What a node may send, for its file.
limit_of() {
  local rate=$1 percent=$2
  [ "$percent" = none ] && { echo unlimited; return; }
  awk -v r="$rate" -v p="$percent" 'BEGIN { printf "%.0f kbit/s", r * 10 * p }'
}

keys=()
for i in $(seq 0 8); do
  mkdir -p "$WORK/keys"
  keys+=("$("$FAIRHAUL" identity new --file "$WORK/keys/$i" 2>/dev/null)")
done

# node_file I LIMIT: the parameters of node I, which knows all others.
node_file() {
  local i=$1 limit=$2 other data=$WORK/run/$1
  mkdir -p "$data"
  cp "$WORK/keys/$i" "$data/identity.key"
  cat > "$data/node.toml" <<END
[node]
name = "n$i"
listen = "$(link_address "$i"):7440"
data = "$data"
[policy]
uplink = "${key[uplink]}"
unchoke = "${key[unchoke]}"
seed-rule = "${key[seed-rule]}"
picker = "${key[picker]}"
[limits]
upload = "$limit"
[control]
socket = "$data/control.sock"
END
  for other in $(seq 0 $((nodes - 1))); do
    [ "$other" = "$i" ] && continue
    printf '[[peer]]\nname = "n%s"\naddress = "%s:7440"\nkey = "%s"\n' \
      "$other" "$(link_address "$other")" "${keys[$other]}" >> "$data/node.toml"
  done
}

# sample RUN: what every link carried, twice a second, until it is stopped.
sample() {
  local start i line
  start=$(seconds)
  while sleep 0.5; do
    line=$1,$(awk -v a="$start" -v b="$(seconds)" 'BEGIN { printf "%.2f", b - a }')
    for i in $(seq 0 $((nodes - 1))); do line+=,$(link_sent "$i"); done
    # A line at a time: whoever is stopped leaves no half of one.
    printf '%s\n' "$line"
  done
}

# Waits until every leecher has written its time, or ten minutes.
wait_for_all() {
  local i waited=0
  for i in $(seq 1 $((nodes - 1))); do
    while [ ! -s "$WORK/run/$i.end" ]; do
      sleep 0.1
      waited=$((waited + 1))
      [ "$waited" -lt 6000 ] || die "$name: node $i is not done after 600 s"
    done
    if grep -q failed "$WORK/run/$i.end"; then
      die "$name: node $i: $(tail -n 1 "$WORK/run/$i.get")"
    fi
  done
}

run_fairhaul() {
  local i limit ticket up=0
  for i in $(seq 0 $((nodes - 1))); do
    limit=$(limit_of "${rates[$i]}" "${key[limit]}")
    [ "$i" -ge $((nodes - riders)) ] && limit="${key[rider]} B/s"
    node_file "$i" "$limit"
    in_link "$i" "$WORK/run/$i.log" "$FAIRHAUL" run -c "$WORK/run/$i/node.toml"
  done
  for _ in $(seq 100); do
    up=0
    for i in $(seq 0 $((nodes - 1))); do
      up=$((up + $("$FAIRHAUL" status --json -c "$WORK/run/$i/node.toml" 2>/dev/null |
        member 'j["node"]["connected"]' 2>/dev/null || echo 0)))
    done
    [ "$up" = $((nodes * (nodes - 1))) ] && break
    sleep 0.3
  done
  [ "$up" = $((nodes * (nodes - 1))) ] || die "$name: $up connections, not $((nodes * (nodes - 1)))"
  ticket=$("$FAIRHAUL" share -c "$WORK/run/0/node.toml" "$WORK/content")
  for i in $(seq 0 $((nodes - 1))); do link_sent "$i" > "$WORK/run/$i.before"; done
  sample "$run" >> "$WORK/uplinks" & sampler=$!
  PIDS+=("$sampler")
  start=$(seconds)
  for i in $(seq 1 $((nodes - 1))); do
    mkdir "$WORK/run/$i/out"
    { "$FAIRHAUL" get -c "$WORK/run/$i/node.toml" "$ticket" "$WORK/run/$i/out" \
        > "$WORK/run/$i.get" 2>&1 && seconds > "$WORK/run/$i.end" ||
        echo failed > "$WORK/run/$i.end"; } &
    PIDS+=($!)
  done
  wait_for_all
  kill "$sampler"
  for i in $(seq 0 $((nodes - 1))); do
    "$FAIRHAUL" status --json -c "$WORK/run/$i/node.toml" |
      member 'str(j["node"]["up_bytes"]) + " " + str(j["node"]["down_bytes"])' > "$WORK/run/$i.bytes"
    "$FAIRHAUL" peers --json -c "$WORK/run/$i/node.toml" > "$WORK/run/$i.peers"
  done
}

run_aria2() {
  local i limit from
  python3 "$ROOT/scripts/engine/tracker.py" serve "10.$NET.0.254" 6969 &
  PIDS+=($!)
  python3 "$ROOT/scripts/engine/tracker.py" torrent "$WORK/content" \
    "http://10.$NET.0.254:6969/announce" "$WORK/run/content.torrent"
  # $1 of a hook is the number of the download; where it lies says whose it was.
  # shellcheck disable=SC2016
  printf '#!/bin/sh\ndate +%%s.%%N > "$(dirname "$3").end"\n' > "$WORK/run/hook"
  chmod +x "$WORK/run/hook"
  sample "$run" >> "$WORK/uplinks" & sampler=$!
  PIDS+=("$sampler")
  for i in $(seq 0 $((nodes - 1))); do
    mkdir "$WORK/run/$i"
    limit=$(limit_of "${rates[$i]}" "${key[limit]}")
    limit=$(awk -v l="$limit" 'BEGIN { printf "%.0f", l * 125 }')
    [ "$i" -ge $((nodes - riders)) ] && limit=${key[rider]}
    from=(--dir "$WORK/run/$i" --on-bt-download-complete "$WORK/run/hook")
    if [ "$i" = 0 ]; then
      from=(--dir "$WORK" --check-integrity=true)
    elif [ "$i" = 1 ]; then
      # The seed has read its file before anybody asks.
      sleep 5
      for from_i in $(seq 0 $((nodes - 1))); do link_sent "$from_i" > "$WORK/run/$from_i.before"; done
      start=$(seconds)
    fi
    in_link "$i" "$WORK/run/$i.log" aria2c --no-conf --quiet --seed-ratio=0 --bt-tracker-interval=5 --enable-dht=false \
      --enable-dht6=false --bt-enable-lpd=false --file-allocation=none --listen-port=6881 \
      --max-overall-upload-limit="$limit" --enable-rpc --rpc-listen-all=true --disable-ipv6=true \
      "${from[@]}" "$WORK/run/content.torrent"
  done
  wait_for_all
  kill "$sampler"
  for i in $(seq 0 $((nodes - 1))); do
    mkdir -p "$WORK/run/$i/out"
    [ "$i" = 0 ] || mv "$WORK/run/$i/content" "$WORK/run/$i/out/"
    python3 "$ROOT/scripts/engine/tracker.py" counters "$(link_address "$i")" 6800 \
      > "$WORK/run/$i.bytes"
  done
}

# one_run CASE NUMBER
one_run() {
  local part i sampler='' start=0 makespan=0 seed_up name=$1 setting=${1%%:*}
  declare -A key=([engine]=fairhaul [unchoke]=wary-tit-for-tat [seed-rule]=forwarders-first [picker]=rarest-first
    [uplink]=drr [limit]=95 [rider]=1)
  local -a parts rates
  IFS=: read -ra parts <<< "$1"
  for part in "${parts[@]:1}"; do
    [ -n "${key[${part%%=*}]:-}" ] || die "no key ${part%%=*} in $1"
    key[${part%%=*}]=${part#*=}
  done
  local rate_text bound nodes riders=0 run="$1#$2"
  rate_text=$(uplinks_of "$setting")
  read -ra rates <<< "$rate_text"
  nodes=${#rates[@]}
  [ "$setting" = riders ] && riders=2
  bound=$(bound_of "$riders" "$rate_text")
  mkdir "$WORK/run"
  links_up "${rates[@]}"
  "run_${key[engine]}"
  for i in $(seq 1 $((nodes - 1))); do
    cmp "$WORK/content" "$WORK/run/$i/out/content" || die "$run: node $i has other bytes"
    # What the link carried counts everything on it, headers too.
    awk -v run="$run" -v i="$i" -v rate="${rates[$i]}" -v start="$start" -v before="$(cat "$WORK/run/$i.before")" \
      -v after="$(link_sent "$i")" -v end="$(cat "$WORK/run/$i.end")" -v b="$(cat "$WORK/run/$i.bytes")" \
      'BEGIN { split(b, n, " "); printf "%s,n%d,%s,%.2f,%s,%s,%d\n", run, i, rate, end - start, n[1], n[2], after - before }' \
      >> "$WORK/peers"
  done
  makespan=$(grep -F "$run," "$WORK/peers" | cut -d, -f4 | sort -n | tail -n 1)
  seed_up=$(cut -d' ' -f1 "$WORK/run/0.bytes")
  awk -v run="$run" -v e="${key[engine]}" -v s="$setting" -v u="${key[unchoke]}" -v r="${key[seed-rule]}" \
    -v p="${key[picker]}" -v d="${key[uplink]}" -v l="${key[limit]}" -v b="$bound" -v m="$makespan" \
    -v up="$seed_up" -v f="$bytes" 'BEGIN {
      if (e != "fairhaul") u = r = p = d = ""
      printf "%s,%s,%s,%s,%s,%s,%s,%s,%s,%s,%.3f,%s,%.3f\n", run, e, s, u, r, p, d, l, b, m, m / b, up, up / f }' |
    tee -a "$WORK/runs" >&2
  stop_all
  links_down
  if [ -n "${KEEP:-}" ]; then mv "$WORK/run" "$WORK/run-$run"; else rm -rf "$WORK/run"; fi
}

: > "$WORK/uplinks"
: > "$WORK/peers"
: > "$WORK/runs"
for number in $(seq "$repeat"); do
  for one in "${cases[@]}"; do
    one_run "$one" "$number"
  done
done

{ echo "run,engine,setting,unchoke,seed_rule,picker,uplink,limit_percent,bound_s,makespan_s,multiple,seed_up_bytes,seed_copies"
  cat "$WORK/runs"; } > "$out/runs.csv"
{ echo "run,peer,uplink_mbit_s,time_s,up_bytes,down_bytes,link_bytes"; cat "$WORK/peers"; } > "$out/peers.csv"
{ echo "run,at_s$(printf ',n%d_sent_bytes' $(seq 0 8))"; cat "$WORK/uplinks"; } > "$out/uplinks.csv"
manifest "$out/manifest.toml" "$command_line" \
  "aria2 = $(quoted "$(aria2c --version 2>/dev/null | head -n 1)")" \
  "content_bytes = $bytes" \
  'link = "tc tbf at the egress of each namespace, burst 32 kB, latency 100 ms; one bridge"' \
  'bound = "Kumar and Ross 2006: max(F / seed, N F / sum of uplinks), F without headers"' \
  'riders = "the last two nodes of that setting send 1 B/s at most, or what rider= says"'

awk -F, '{ split($1, name, "#"); c = name[1]; if (!(c in n)) order[++count] = c
  n[c]++; m[c, n[c]] = $11; s[c] += $13; t[c] += $10 }
  END { printf "%-44s %4s %9s %10s %7s %7s\n", "case", "runs", "makespan", "x bound", "worst", "copies"
    for (i = 1; i <= count; i++) { c = order[i]; k = n[c]; sum = 0; worst = 0
      for (j = 1; j <= k; j++) { sum += m[c, j]; if (m[c, j] > worst) worst = m[c, j] }
      printf "%-44s %4d %7.1f s %10.3f %7.3f %7.3f\n", c, k, t[c] / k, sum / k, worst, s[c] / k } }' "$WORK/runs"
