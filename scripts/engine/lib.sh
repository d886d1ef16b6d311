# shellcheck shell=bash
# What the measurements of the engine share: a scratch folder, namespaces, nodes, the manifest.
# Sourced after `set -euo pipefail`. Everything that is made here goes when the script ends.

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
FAIRHAUL=$(realpath "${FAIRHAUL:-$root/target/release/fairhaul}")
# Files in memory, so that no disk is measured.
work=$(mktemp -d -p "${SCRATCH:-/dev/shm}")
tag=fh$$
spaces=()
started=()

if [ "$(id -u)" != 0 ]; then
  echo "needs root: it makes network namespaces" >&2
  rmdir "$work"
  exit 1
fi

# end_all: every process of ours, by its id, and what it has started.
end_all() {
  local pid
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
  started=()
}

clean() {
  end_all
  local space
  for space in "${spaces[@]}"; do ip netns del "$space" 2>/dev/null || true; done
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM

# space NAME: a network namespace, with its loopback up.
space() {
  ip netns add "$tag-$1"
  spaces+=("$tag-$1")
  ip -n "$tag-$1" link set lo up
}

# within NAME COMMAND...: in that namespace.
within() {
  local name=$1
  shift
  ip netns exec "$tag-$name" "$@"
}

# start LOG COMMAND...: in the background; `$!` and the list of what is to be ended know it.
start() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 &
  started+=("$!")
}

# new_key NAME: a folder with an identity; prints its public key.
new_key() {
  mkdir -p "$work/$1"
  "$FAIRHAUL" identity new --file "$work/$1/identity.key" 2>/dev/null
}

# node_file NAME LISTEN: the parameter file up to its sections; more is appended by the caller.
node_file() {
  cat >"$work/$1/node.toml" <<EOT
[node]
name = "$1"
listen = "$2"
data = "$work/$1"
exchange = false
[control]
socket = "$work/$1/control.sock"
EOT
}

# peer_of NAME PEER KEY ADDRESS [LINE]: a peer in that node's file; without an address it calls.
peer_of() {
  {
    printf '[[peer]]\nname = "%s"\nkey = "%s"\n' "$2" "$3"
    if [ -n "$4" ]; then printf 'address = "%s"\n' "$4"; fi
    if [ -n "${5:-}" ]; then printf '%s\n' "$5"; fi
  } >>"$work/$1/node.toml"
}

# run_node NAME SPACE: runs it there, and waits until its control answers.
run_node() {
  start "$work/$1/log" ip netns exec "$tag-$2" "$FAIRHAUL" run -c "$work/$1/node.toml"
  local i
  for i in $(seq 100); do
    if [ -S "$work/$1/control.sock" ]; then return; fi
    sleep 0.05
  done
  echo "node $1 does not start (try $i):" >&2
  cat "$work/$1/log" >&2
  exit 1
}

# wait_peers NAME COUNT: until so many peers are connected.
wait_peers() {
  local i found
  for i in $(seq 200); do
    found=$("$FAIRHAUL" status -c "$work/$1/node.toml" --json |
      python3 -c 'import json,sys; print(json.load(sys.stdin)["node"]["connected"])')
    if [ "$found" -ge "$2" ]; then return; fi
    sleep 0.05
  done
  echo "node $1 has $found of $2 peers (try $i)" >&2
  tail -n 5 "$work/$1/log" >&2
  exit 1
}

# manifest FILE NAME=VALUE...: how it was measured, and on what.
manifest() {
  local file=$1 pair
  shift
  {
    for pair in "$@"; do echo "${pair%%=*}: ${pair#*=}"; done
    echo "date: $(date -u +%Y-%m-%dT%H:%MZ)"
    echo "commit: $(git -C "$root" rev-parse --short HEAD)"
    echo "fairhaul: $("$FAIRHAUL" --version), BLAKE2 $(b2sum -l 64 "$FAIRHAUL" | cut -d' ' -f1)"
    echo "rsync: $(rsync --version | awk 'NR == 1 { print $3 }')"
    echo "nginx: $(nginx -v 2>&1 | sed 's,.*/,,')"
    echo "curl: $(curl --version | awk 'NR == 1 { print $2 }')"
    echo "kernel: $(uname -sr)"
    echo "processor: $(awk -F': ' '/model name/ { print $2; exit }' /proc/cpuinfo), $(nproc) cores"
    echo "scheduling: $(chrt -p $$ | sed "s/.*: //" | paste -sd " ") (policy, priority), nice $(nice)"
    echo "load average at the end: $(cut -d' ' -f1-3 /proc/loadavg)"
  } >"$file"
}
