#!/usr/bin/env bash
# deploy/ssh/deploy.sh over real ssh, on the three machines of machines.sh. Nodes are installed,
# files move both ways, and what goes wrong with ssh is said in one line. Nothing is left afterwards.
#
#   ssh.sh STATIC_BINARY
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
the_program "${1:-}"
# shellcheck source-path=SCRIPTDIR source=machines.sh
. "$(dirname "$0")/machines.sh"

options=(--program "$BINARY" --key "$work/key" --ssh-option "UserKnownHostsFile=$work/known" --wait 40)
deploy() { "$DEPLOY/ssh/deploy.sh" "$@" "${options[@]}"; }
lab=$work/lab/inventory.csv
inventory "$lab" vm-1 "$net.1" vm-2 "$net.2" vm-3 "$net.3"
node_pid() { on "$1" cat /run/fairhaul/pid; }

# A host key that nobody knows is a question, and questions are not answered.
machine_up 1
machine_up 2
for i in 1 2; do wait_for 10 "sshd of vm-$i does not come up: $(cat "$work/m$i.log")" sshd_up $i; done
refuse deploy "$lab" install --user root
one_line
shows 'row 2, vm-1: the host key of'
step "$LAST"
options+=(--ssh-option StrictHostKeyChecking=accept-new)

# The third machine comes up late, and is waited for.
deploy "$lab" install --user root >"$work/first" 2>&1 &
deploying=$!
wait_for 30 "vm-3 is not waited for: $(cat "$work/first")" grep -q 'vm-3: not up yet' "$work/first"
machine_up 3
wait $deploying || die "the first deploy: $(cat "$work/first")"
cat "$work/first"
step "three machines, one of them late"

# What the operator keeps, and what others may read of it.
[ "$(stat -c %a "$work/lab/vm-1" "$work/lab/vm-1/identity.key" | xargs)" = '700 600' ] || die "others can read the key"
grep -qE '^vm-2,,,[0-9.]+,[0-9a-f]{64}$' "$lab" || die "no key in the inventory: $(cat "$lab")"
[ "$(on 1 stat -c %a,%U /etc/fairhaul/identity.key)" = 600,root ] || die "the key of vm-1 has other rights"
[ "$(on 1 awk "'/^Uid/ { print \$2 }'" "/proc/$(node_pid 1)/status")" = 65532 ] || die "the node runs as root"

# Files, both ways at once.
for i in 1 2 3; do
  mkdir -p "$work/tree-$i/deep/er" "$work/tree-$i/empty"
  head -c 5000000 /dev/urandom >"$work/tree-$i/deep/large"
  head -c 7 /dev/urandom >"$work/tree-$i/deep/er/small"
  on $i mkdir -p /var/lib/fairhaul/out
  tar -C "$work" -cf - "tree-$i" | to $i tar -C /var/lib/fairhaul/out --no-same-owner -xf -
done
on 1 fairhaul send /var/lib/fairhaul/out/tree-1 vm-2 vm-3 >"$work/send-1" 2>&1 &
sending=$!
expect on 2 fairhaul send /var/lib/fairhaul/out/tree-2 vm-1
wait $sending || die "send from vm-1: $(cat "$work/send-1")"
ticket=$(on 3 fairhaul share /var/lib/fairhaul/out/tree-3)
for i in 1 2; do expect on $i fairhaul get "$ticket" /var/lib/fairhaul/got; done
# same TREE I FOLDER: it is there with the same bytes, as ssh carries it back.
same() {
  mkdir -p "$work/back"
  on "$2" tar -C "/var/lib/fairhaul/$3" -cf - "tree-$1" | tar -C "$work/back" -xf -
  diff -r "$work/tree-$1" "$work/back/tree-$1" || die "tree $1 differs at vm-$2"
  rm -rf "$work/back"
}
same 1 2 inbox
same 1 3 inbox
same 2 1 inbox
same 3 1 got
same 3 2 got
step "send and get between all three, trees equal"

# A second run does no harm: nothing is touched, the same processes run on.
before=$(node_pid 1)$(node_pid 2)$(node_pid 3)
expect deploy "$lab" --user root
for i in 1 2 3; do shows "vm-$i: as it was, running"; done
[ "$(node_pid 1)$(node_pid 2)$(node_pid 3)" = "$before" ] || die "a second deploy restarts nodes"
step "a second deploy changes nothing"

# New parameters reach the running node; bad ones go nowhere, and nothing changes.
printf '[limits]\nupload = "50 MB/s"\n' >"$work/lab/settings.toml"
expect deploy "$lab" --user root
shows 'vm-3: new: node.toml; running'
[ "$(node_pid 1)$(node_pid 2)$(node_pid 3)" = "$before" ] || die "new parameters restart nodes"
on 3 fairhaul status --json | grep -q '"up_bytes_s": 50000000' || die "the new limit does not hold at vm-3"
printf '[limits]\nupload = "50"\n' >"$work/lab/settings.toml"
refuse deploy "$lab" --user root
one_line
step "new parameters without a restart; bad ones: $LAST"
rm "$work/lab/settings.toml"

# A node that was killed is started again.
on 2 kill -9 "$(node_pid 2)"
expect deploy "$lab" --user root
expect deploy "$lab" status --user root
shows 'vm-2: vm-2: up'
step "a node that was killed runs again"

# A name that does not resolve; an inventory that is wrong.
sed 's/^vm-2,,,[^,]*/vm-2,,,no-such-host.invalid/' "$lab" >"$work/lab/other.csv"
refuse deploy "$work/lab/other.csv" status --user root
shows 'row 3, vm-2: the name no-such-host.invalid does not resolve'
step "${LAST##*$'\n'}"
printf 'name,zone,internal_ip,external_ip,key\nvm 1,,,,\n' >"$work/lab/other.csv"
refuse deploy "$work/lab/other.csv" status
one_line
step "$LAST"

# sshd asks for a password: one line, at once. Afterwards the machine is as after a power cut.
machine_down 3
machine_up 3 -o PubkeyAuthentication=no -o PasswordAuthentication=yes
wait_for 10 "sshd of vm-3 does not come up again" sshd_up 3
from=$SECONDS
refuse deploy "$lab" status --user root
shows 'row 4, vm-3:'
shows 'asks a question'
[ $((SECONDS - from)) -lt 10 ] || die "a question takes $((SECONDS - from)) s"
step "${LAST##*$'\n'}"
machine_down 3
machine_up 3
expect deploy "$lab" --user root
shows 'vm-3: as it was, running'
step "a machine that was cut off and is back"

# The end: nothing stays but what was received.
expect deploy "$lab" remove --user root
shows 'vm-1: removed; what it received stays in /var/lib/fairhaul'
for i in 1 2 3; do
  LAST=$(on $i 'ls -d /usr/local/bin/fairhaul /etc/fairhaul /run/fairhaul /var/log/fairhaul.log 2>/dev/null; true')
  [ -z "$LAST" ] || die "left at vm-$i: $LAST"
  ! pgrep --ns "${machine[$i]}" --nslist net fairhaul >/dev/null || die "a node still runs at vm-$i"
done
same 1 2 inbox
step "removed"

# A user without any rights, below a folder of his own.
mkdir "$work/own"
sed -n 1,3p "$lab" >"$work/own/inventory.csv"
sed -i 's/,[^,]*$/,/;1s/,$/,key/' "$work/own/inventory.csv"
own() { deploy "$work/own/inventory.csv" "$@" --user worker --prefix /home/worker/fairhaul; }
refuse deploy "$work/own/inventory.csv" --user worker
shows 'may not become root without a password'
expect own install
shows '2 nodes run, and each is connected to the other 1'
expect own install
shows 'vm-2: as it was, running'
expect own remove
! pgrep --ns "${machine[1]}" --nslist net fairhaul >/dev/null || die "a node of worker still runs"
step "without root, below a prefix"

# What gcp/deploy.sh does with the VMs that up.sh has made: another user, sudo, and peers that find
# each other by the names of the cloud.
if has sudo; then
  mkdir "$work/gcp"
  cp "$work/key" "$work/gcp/ssh_key"
  printf 'project=demo\nprefix=vm\n' >"$work/gcp/cloud"
  sed 's/^\(vm-.\),,,\([^,]*\),.*/\1,here,,\2,/' "$lab" >"$work/gcp/inventory.csv"
  cloud() { "$DEPLOY/gcp/deploy.sh" "$@" --dir "$work/gcp" --program "$BINARY" --wait 40; }
  expect cloud
  shows '3 nodes run, and each is connected to the other 2'
  [ "$(on 2 stat -c %a,%U /etc/fairhaul/identity.key)" = 600,root ] || die "the key of vm-2 has other rights"
  on 1 cat /etc/fairhaul/node.toml | grep -qx 'address = "vm-3.here.c.demo.internal:7440"' || die "vm-1 does not call vm-3 by name"
  expect cloud remove
  step "gcp/deploy.sh: by sudo, peers by name"
else
  say "no sudo here: gcp/deploy.sh is not run"
fi

nothing_left
step "nothing is left"
echo "ssh: all well"
