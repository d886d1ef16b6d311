#!/usr/bin/env bash
# The systemd unit: systemd's own check finds nothing, and its score of what a node could do to the
# machine does not get worse. Two nodes that move files make no system call that it forbids.
#
#   service.sh STATIC_BINARY
set -euo pipefail
# What is shared is checked as a file of its own.
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
the_program "${1:-}"
has systemd-analyze || skip "no systemd-analyze here"
# In tenths; 0 is a service that can do nothing at all, 100 one that can do everything.
EXPOSURE_MAX=11

work=$(mktemp -d)
clean() {
  local name
  for name in a b; do "$BINARY" stop --socket "$work/$name/s" >/dev/null 2>&1 || true; done
  wait
  rm -rf "$work"
}
trap clean EXIT
unit=$work/fairhaul.service
# The check wants programs that are there.
sed "s|/usr/local/bin/fairhaul run|$BINARY run|" "$DEPLOY/fairhaul.service" >"$unit"
LAST=$(systemd-analyze verify --recursive-errors=no --man=no "$unit" 2>&1) || die "systemd-analyze verify: $LAST"
[ -z "$LAST" ] || die "systemd-analyze verify: $LAST"
sed 's/^Type=notify/Type=notifies/' "$unit" >"$work/bad.service"
LAST=$(systemd-analyze verify --recursive-errors=no --man=no "$work/bad.service" 2>&1) || true
shows 'notifies'
expect systemd-analyze security --offline=true --threshold=$EXPOSURE_MAX "$unit"
score=$(grep -o 'exposure level .*: [0-9.]*' <<<"$LAST" | grep -o '[0-9.]*$')
refuse systemd-analyze security --offline=true --threshold=$((EXPOSURE_MAX - 1)) "$unit"
step "verified; exposure $score of 10"

if ! has strace python3; then
  say "service.sh: skipped: no strace here, so the filter of system calls is not tried"
  echo "service: all well"
  exit 0
fi
# node NAME PORT PEER PEER_PORT: its parameter file.
node() {
  cat <<END
[node]
name = "$1"
listen = "127.0.0.1:$2"
data = "$work/$1"
[[peer]]
name = "$3"
address = "127.0.0.1:$4"
key = "$("$BINARY" identity show --file "$work/$3/identity.key" 2>/dev/null)"
accept = "inbox"
[control]
socket = "$work/$1/s"
END
}
read -r port_a port_b < <(python3 -c '
import socket
held = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
print(*(s.getsockname()[1] for s in held))')
for name in a b; do
  mkdir -p "$work/$name" "$work/from-$name/deep"
  head -c 3000000 /dev/urandom >"$work/from-$name/deep/file"
  "$BINARY" identity new --file "$work/$name/identity.key" >/dev/null 2>&1
done
node a "$port_a" b "$port_b" >"$work/a.toml"
node b "$port_b" a "$port_a" >"$work/b.toml"
for name in a b; do
  strace -f -qq -o "$work/$name.trace" "$BINARY" run -c "$work/$name.toml" >"$work/$name.log" 2>&1 </dev/null &
done
connected() { [[ $("$BINARY" status --socket "$work/$1/s" 2>/dev/null) == *' 1 connected'* ]]; }
for name in a b; do
  wait_for 20 "node $name under strace: $(tail -n 1 "$work/$name.log")" connected $name
done
expect timeout 60 "$BINARY" send --socket "$work/a/s" "$work/from-a" b
expect timeout 60 "$BINARY" send --socket "$work/b/s" "$work/from-b" a
expect "$BINARY" reload --socket "$work/a/s"
for name in a b; do expect "$BINARY" stop --socket "$work/$name/s"; done
wait
# And the one command before the node.
strace -f -qq -o "$work/install.trace" install -m 0600 "$work/a/identity.key" "$work/copy"
LAST=$(python3 "$DEPLOY/test/syscalls.py" "$DEPLOY/fairhaul.service" "$work"/*.trace)
[ -z "$LAST" ] || die "the unit forbids system calls that a node makes: $LAST"
# A unit that forbids more is found out.
sed 's/^SystemCallFilter=~@privileged/& @network-io/' "$DEPLOY/fairhaul.service" >"$work/bad.service"
LAST=$(python3 "$DEPLOY/test/syscalls.py" "$work/bad.service" "$work"/*.trace)
shows sendto
step "no system call of two nodes is one that the unit forbids"
echo "service: all well"
