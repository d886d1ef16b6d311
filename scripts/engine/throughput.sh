#!/usr/bin/env bash
# One pair over loopback, files in memory: fairhaul beside scp, rsync, tar over ssh and nginx.
#
# Usage: scripts/engine/throughput.sh [OUT] [ROUNDS]
# OUT defaults to results/engine/throughput, ROUNDS to 5. Needs root for a server of ssh and one
# of TLS on free ports of loopback, 12 GiB of memory, and the packages openssh-server, rsync,
# nginx-light, openssl and curl. Every tool moves the same files, in turns, so that what disturbs
# the machine disturbs all of them. The CPU time of a tool is that of a control group with all of its
# processes, servers and clients, whatever they start and however they call themselves.
set -euo pipefail
cd "$(dirname "$0")/../.."
out=${1:-results/engine/throughput}
rounds=${2:-5}
bin=$(realpath "${FAIRHAUL:-target/release/fairhaul}")
sizes=${SIZES:-"1024 4096"}
for need in "$bin" sshd ssh scp rsync nginx openssl curl python3; do
  command -v "$need" >/dev/null 2>&1 || PATH=$PATH:/usr/sbin command -v "$need" >/dev/null 2>&1 || {
    echo "throughput.sh: $need is missing" >&2
    exit 1
  }
done
PATH=$PATH:/usr/sbin
[ "$(id -u)" = 0 ] || { echo "throughput.sh: needs root" >&2; exit 1; }
work=$(mktemp -d /dev/shm/fairhaul-throughput.XXXXXX)
pids=()
groups=
cleanup() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  # What a server has started ends after it; a group can be removed once nobody is in it.
  for _ in $(seq 50); do
    [ -n "$groups" ] || break
    rmdir "$groups"/*/ "$groups" 2>/dev/null || true
    [ -d "$groups" ] || break
    sleep 0.1
  done
  rm -rf "$work"
}
trap cleanup EXIT

# --- control groups: of version 2 anywhere, of version 1 where the system has its accounting
for root in /sys/fs/cgroup /sys/fs/cgroup/unified /sys/fs/cgroup/cpuacct; do
  groups=$root/fairhaul-throughput.$$
  if [ -e "$root/cgroup.procs" ] && mkdir "$groups" 2>/dev/null; then
    if [ -e "$groups/cpu.stat" ] || [ -e "$groups/cpuacct.usage" ]; then break; fi
    rmdir "$groups"
  fi
  groups=
done
[ -n "$groups" ] || { echo "throughput.sh: no control groups that count CPU time" >&2; exit 1; }
mkdir "$groups"/{fairhaul,nginx,ssh}

# within GROUP COMMAND...: the command, and whatever it starts, in that group. It takes the place of
# the shell that says so: `&` or parentheses give it one of its own.
within() {
  # shellcheck disable=SC2016 # the inner shell expands them
  exec bash -c 'echo $$ >"$0/cgroup.procs"; exec "$@"' "$groups/$1" "${@:2}"
}

# cpu GROUP: CPU seconds that its processes have used, those that have ended as well.
cpu() {
  if [ -e "$groups/$1/cpu.stat" ]; then
    awk '$1 == "usage_usec" { printf "%.6f", $2 / 1e6 }' "$groups/$1/cpu.stat"
  else
    awk '{ printf "%.6f", $1 / 1e9 }' "$groups/$1/cpuacct.usage"
  fi
}

mkdir -p "$out" "$work"/{a,b,www,ssh,got}
out=$(realpath "$out")
cd "$work"

# --- the peers
ssh-keygen -q -t ed25519 -N '' -f ssh/host
ssh-keygen -q -t ed25519 -N '' -f ssh/me
cp ssh/me.pub ssh/authorized
chmod 755 "$work"
cat >ssh/config <<EOF
Port 7522
ListenAddress 127.0.0.1
HostKey $work/ssh/host
AuthorizedKeysFile $work/ssh/authorized
StrictModes no
PermitRootLogin yes
PidFile $work/ssh/pid
Subsystem sftp internal-sftp
EOF
mkdir -p /run/sshd
sshd=$(command -v sshd)
within ssh "$sshd" -D -f "$work/ssh/config" -E "$work/ssh.log" &
pids+=($!)
cipher=aes128-gcm@openssh.com
ssh_options=(-i "$work/ssh/me" -c "$cipher" -o UserKnownHostsFile=/dev/null
  -o StrictHostKeyChecking=no -o LogLevel=ERROR)
openssl req -x509 -newkey ed25519 -nodes -keyout www.key -out www.crt -days 2 -subj /CN=localhost \
  2>/dev/null
cat >nginx.conf <<EOF
daemon off; user root; worker_processes 1; pid $work/nginx.pid; error_log $work/nginx.log;
events { worker_connections 64; }
http {
  access_log off; sendfile on; ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
  server { listen 127.0.0.1:7543 ssl; ssl_certificate $work/www.crt; ssl_certificate_key $work/www.key;
    location / { root $work/www; } }
}
EOF
within nginx nginx -c "$work/nginx.conf" -e "$work/nginx.log" &
pids+=($!)
key_a=$("$bin" identity new --file a/identity.key 2>/dev/null)
key_b=$("$bin" identity new --file b/identity.key 2>/dev/null)
node() { # NAME PORT PEER PORT KEY
  cat >"$1/node.toml" <<EOF
[node]
name = "$1"
listen = "127.0.0.1:$2"
data = "$work/$1"
[[peer]]
name = "$3"
address = "127.0.0.1:$4"
key = "$5"
[control]
socket = "$work/$1/control.sock"
EOF
  within fairhaul "$bin" run -c "$1/node.toml" >"$1.log" 2>&1 &
  pids+=($!)
}
node a 7451 b 7452 "$key_b"
node_a=${pids[-1]}
node b 7452 a 7451 "$key_a"
node_b=${pids[-1]}
for _ in $(seq 50); do
  "$bin" peers -c b/node.toml --json 2>/dev/null | grep -q '"connected":true' && break
  sleep 0.1
done

# --- what is moved
for size in $sizes; do
  head -c "${size}M" /dev/urandom >"www/big$size"
done
python3 - <<'EOF'
import os, random
random.seed(1)
os.makedirs("www/small")
for i in range(10000):
    folder = f"www/small/{i // 500:02d}"
    os.makedirs(folder, exist_ok=True)
    with open(f"{folder}/f{i}", "wb") as file:
        file.write(random.randbytes(random.randint(4096, 65536)))
EOF

peak() { awk '/VmHWM/ { print $2 / 1024 }' "/proc/$1/status"; }
now() { date +%s.%N; }
csv=$out/throughput.csv
echo "tool,content,round,bytes,seconds,rate_bytes_per_s,cpu_s_per_gib,peak_sender_mib,peak_receiver_mib" >"$csv"

row() { # TOOL CONTENT ROUND BYTES SECONDS CPU PEAK PEAK
  awk -v tool="$1" -v what="$2" -v round="$3" -v bytes="$4" -v took="$5" -v cpu="$6" -v a="$7" -v b="$8" \
    'BEGIN { printf "%s,%s,%s,%.0f,%.3f,%.0f,%.2f,%s,%s\n", tool, what, round, bytes, took, bytes / took,
      cpu / bytes * 1073741824, a, b }' | tee -a "$csv"
}

# timed GROUP TOOL CONTENT ROUND COMMAND...: the command in the group of its server.
timed() {
  local group=$1 tool=$2 what=$3 round=$4 bytes start end before after most
  shift 4
  bytes=$(du -sb --apparent-size "www/$what" | cut -f1)
  [ -d "www/$what" ] && bytes=$(find "www/$what" -type f -printf '%s\n' | awk '{ s += $1 } END { print s }')
  rm -rf got
  mkdir got
  before=$(cpu "$group")
  start=$(now)
  (within "$group" /usr/bin/time -o "$work/time" -f '%M' "$@") >/dev/null 2>"$work/err" || {
    echo "throughput.sh: $tool failed: $(tail -n 1 "$work/err")" >&2
    exit 1
  }
  end=$(now)
  after=$(cpu "$group")
  read -r most <"$work/time"
  row "$tool" "$what" "$round" "$bytes" "$(echo "$end - $start" | bc)" \
    "$(echo "$after - $before" | bc)" "" "$(echo "scale=1; $most / 1024" | bc)"
}

ours() { # CONTENT ROUND
  local what=$1 round=$2 ticket id bytes start end before after
  ticket=$("$bin" share -c a/node.toml "www/$what")
  bytes=$("$bin" status -c a/node.toml --json | python3 -c 'import json, sys
print(json.load(sys.stdin)["transfers"][-1]["bytes"])')
  rm -rf got
  mkdir got
  before=$(cpu fairhaul)
  start=$(now)
  (within fairhaul "$bin" get -c b/node.toml "$ticket" got) >/dev/null
  end=$(now)
  after=$(cpu fairhaul)
  [ "$round" != 1 ] || diff -rq "www/$what" "got/$what"
  row fairhaul "$what" "$round" "$bytes" "$(echo "$end - $start" | bc)" "$(echo "$after - $before" | bc)" \
    "$(peak "$node_a")" "$(peak "$node_b")"
  for node in a b; do
    id=$("$bin" status -c $node/node.toml --json | python3 -c 'import json, sys
print(json.load(sys.stdin)["transfers"][-1]["id"])')
    "$bin" cancel -c $node/node.toml "$id" >/dev/null
  done
}

for round in $(seq "$rounds"); do
  for size in $sizes; do
    what=big$size
    ours "$what" "$round"
    timed nginx nginx+curl "$what" "$round" curl -sk --tlsv1.3 "https://127.0.0.1:7543/$what" -o "got/$what"
    timed ssh scp "$what" "$round" scp "${ssh_options[@]}" -P 7522 "127.0.0.1:$work/www/$what" got/
    timed ssh rsync+ssh "$what" "$round" rsync -e "ssh ${ssh_options[*]} -p 7522" --inplace --whole-file \
      "127.0.0.1:$work/www/$what" got/
  done
  ours small "$round"
  timed ssh rsync+ssh small "$round" rsync -a -e "ssh ${ssh_options[*]} -p 7522" --whole-file \
    "127.0.0.1:$work/www/small" got/
  timed ssh tar+ssh small "$round" bash -c "ssh ${ssh_options[*]} -p 7522 127.0.0.1 'tar -C $work/www -cf - small' | tar -C got -xf -"
done

python3 - "$csv" "$out" <<'EOF'
import csv, statistics, sys
rows = list(csv.DictReader(open(sys.argv[1])))
cells = {}
for row in rows:
    cells.setdefault((row["content"], row["tool"]), []).append(row)
with open(f"{sys.argv[2]}/summary.csv", "w") as file:
    file.write("content,tool,rounds,rate_median_bytes_per_s,rate_min_bytes_per_s,rate_max_bytes_per_s,"
               "cpu_median_s_per_gib,peak_sender_mib,peak_receiver_mib\n")
    print(f"{'content':10}{'tool':12}{'MB/s':>8}{'min':>8}{'max':>8}{'CPU s/GiB':>11}")
    for (content, tool), some in sorted(cells.items()):
        rates = [float(row["rate_bytes_per_s"]) for row in some]
        cpu = statistics.median(float(row["cpu_s_per_gib"]) for row in some)
        peaks = [max((float(row[k]) for row in some if row[k]), default="") for k in ("peak_sender_mib", "peak_receiver_mib")]
        file.write(f"{content},{tool},{len(some)},{statistics.median(rates):.0f},{min(rates):.0f},"
                   f"{max(rates):.0f},{cpu:.2f},{peaks[0]},{peaks[1]}\n")
        print(f"{content:10}{tool:12}{statistics.median(rates) / 1e6:8.0f}{min(rates) / 1e6:8.0f}"
              f"{max(rates) / 1e6:8.0f}{cpu:11.2f}")
EOF
{
  echo "command: scripts/engine/throughput.sh"
  echo "date: $(date -u +%Y-%m-%dT%H:%MZ)"
  echo "machine: $(nproc) cores, $(awk -F: '/model name/ { print $2; exit }' /proc/cpuinfo | xargs), Linux $(uname -r)"
  echo "CPU time: of control groups, ${groups%/*}"
  echo "load before: $(cut -d' ' -f1-3 /proc/loadavg)"
  echo "congestion control: $(cat /proc/sys/net/ipv4/tcp_congestion_control)"
  "$bin" --version
  ssh -V 2>&1
  rsync --version | sed -n 1p
  nginx -v 2>&1
  curl --version | sed -n 1p
} >"$out/about.txt"
