# shellcheck shell=bash
# What the scripts about swarms, kills and two-way transfers share: a work folder, nodes that are
# stopped on exit, shaped links between network namespaces, and the manifest of a result.
# Sourced, not run. Decides nothing about what is measured.

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
FAIRHAUL=$(realpath -m "${FAIRHAUL:-$ROOT/target/release/fairhaul}")
WORK=''
LINKS=0
NET=0
PIDS=()

# say WORDS: progress, on standard error.
say() { printf '%s\n' "$*" >&2; }
# die WORDS: one line, and out.
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }

need_root() { [ "$(id -u)" = 0 ] || die "needs root, for network namespaces and traffic shaping"; }
need() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null 2>&1 || die "needs $command, which is not installed"
  done
}

# work_folder: one in memory if there is one; everything goes when the script ends.
work_folder() {
  [ -x "$FAIRHAUL" ] || die "no program at $FAIRHAUL: build it, or set FAIRHAUL"
  local parent=${TMPDIR:-/tmp}
  [ -d /dev/shm ] && [ -w /dev/shm ] && parent=/dev/shm
  WORK=$(mktemp -d "$parent/fairhaul.XXXXXX")
  trap swarm_cleanup EXIT
  trap 'exit 130' INT TERM
}

swarm_cleanup() {
  local status=$?
  trap - EXIT
  stop_all
  links_down
  if [ -n "${KEEP:-}" ]; then say "kept: $WORK"; else rm -rf "$WORK"; fi
  exit "$status"
}

# stop_all: ends every process that this script started in the background.
stop_all() {
  local pid
  for pid in "${PIDS[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${PIDS[@]}"; do
    for _ in $(seq 30); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  PIDS=()
}

# links_up RATE...: a bridge and one namespace for each rate (Mbit/s up, shaped at its egress).
# Node I has address 10.K.0.(I+1), K drawn until it is free; the bridge has .254.
links_up() {
  local rate i=0 tag
  NET=$((60 + RANDOM % 190))
  while ip link show "fh$NET" >/dev/null 2>&1; do NET=$((60 + RANDOM % 190)); done
  tag="fh$NET"
  ip link add "$tag" type bridge
  ip addr add "10.$NET.0.254/24" dev "$tag"
  ip link set "$tag" up
  for rate in "$@"; do
    ip netns add "$tag-$i"
    LINKS=$((i + 1))
    ip link add "$tag-$i" type veth peer name eth0 netns "$tag-$i"
    ip link set "$tag-$i" master "$tag" up
    ip -n "$tag-$i" addr add "10.$NET.0.$((i + 1))/24" dev eth0
    ip -n "$tag-$i" link set eth0 up
    ip -n "$tag-$i" link set lo up
    ip netns exec "$tag-$i" tc qdisc add dev eth0 root tbf rate "${rate}mbit" burst 32kb latency 100ms
    i=$((i + 1))
  done
}

links_down() {
  local i
  [ "$NET" = 0 ] && return 0
  for i in $(seq 0 $((LINKS - 1))); do
    ip netns del "fh$NET-$i" 2>/dev/null || true
    ip link del "fh$NET-$i" 2>/dev/null || true
  done
  ip link del "fh$NET" 2>/dev/null || true
  NET=0 LINKS=0
}

# in_link I LOG COMMAND...: in the namespace of node I, in the background, until stop_all.
in_link() {
  # exec, so that the process to be stopped is the command and not a shell around it.
  (exec ip netns exec "fh$NET-$1" "${@:3}" > "$2" 2>&1) &
  PIDS+=($!)
}
# link_address I
link_address() { echo "10.$NET.0.$(($1 + 1))"; }
# link_sent I: bytes that node I has put on its link.
link_sent() { cat "/sys/class/net/fh$NET-$1/statistics/rx_bytes"; }

# member EXPRESSION: of the JSON on standard input, which the expression calls j.
member() { python3 -c "import json, sys; j = json.load(sys.stdin); print($1)"; }

# seconds: now, with a fraction.
seconds() { date +%s.%N; }

# quoted COMMAND...: as a TOML string.
quoted() { local all="$*"; all=${all//\\/\\\\}; printf '"%s"' "${all//\"/\\\"}"; }

# manifest FILE COMMAND LINE...: how a result came about; each line goes in as it is.
manifest() {
  local file=$1 command=$2
  shift 2
  {
    echo "command = $(quoted "$command")"
    echo "fairhaul = $(quoted "$("$FAIRHAUL" --version)")"
    echo "commit = $(quoted "$(git -C "$ROOT" rev-parse HEAD 2>/dev/null || echo unknown)")"
    echo "kernel = $(quoted "$(uname -sr)")"
    echo "cores = $(nproc)"
    echo "date = $(quoted "$(date -u +%Y-%m-%dT%H:%M:%SZ)")"
    printf '%s\n' "$@"
  } > "$file"
}

# Nodes on loopback, by name: folder, parameter file, log and process of each.
declare -A NODE_PID=()
# NODE_OPTIONS: options of `run`, by name.
declare -A NODE_OPTIONS=()

# free_ports N: that many ports nobody listens on.
free_ports() {
  python3 -c '
import socket, sys
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(*(s.getsockname()[1] for s in held))' "$1"
}

# new_key NAME: makes the identity of a node and prints its public key.
new_key() {
  mkdir -p "$WORK/$1"
  "$FAIRHAUL" identity new --file "$WORK/$1/identity.key" 2>/dev/null
}

# node_file NAME PORT UPLOAD, then PEER PORT KEY of every peer, which may push into inbox-PEER.
node_file() {
  local name=$1 file=$WORK/$1/node.toml
  printf '[node]\nname = "%s"\nlisten = "127.0.0.1:%s"\ndata = "%s"\n' "$name" "$2" "$WORK/$name" > "$file"
  printf '[limits]\nupload = "%s"\n[control]\nsocket = "%s"\n' "$3" "$WORK/$name/control.sock" >> "$file"
  shift 3
  while [ $# -gt 0 ]; do
    printf '[[peer]]\nname = "%s"\naddress = "127.0.0.1:%s"\nkey = "%s"\naccept = "inbox-%s"\n' \
      "$1" "$2" "$3" "$1" >> "$file"
    shift 3
  done
}

# start_node NAME: runs it in the background.
start_node() {
  local options=()
  read -ra options <<< "${NODE_OPTIONS[$1]:-}"
  "$FAIRHAUL" run -c "$WORK/$1/node.toml" "${options[@]}" >> "$WORK/$1.log" 2>&1 &
  NODE_PID[$1]=$!
  PIDS+=($!)
}

# kill_node NAME: kill -9.
kill_node() {
  kill -9 "${NODE_PID[$1]}"
  wait "${NODE_PID[$1]}" 2>/dev/null || true
}

# control NAME COMMAND...: a command to a node.
control() { "$FAIRHAUL" "$2" --socket "$WORK/$1/control.sock" "${@:3}"; }

# is_connected NAME N: to N peers.
is_connected() { [ "$(control "$1" status --json 2>/dev/null | member 'j["node"]["connected"]' 2>/dev/null)" = "$2" ]; }

# wait_until SECONDS WORDS COMMAND...: until it succeeds; WORDS if it never does.
wait_until() {
  local until=$((SECONDS + $1)) words=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -le "$until" ] || die "$words"
    sleep 0.05
  done
}
