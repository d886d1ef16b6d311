#!/usr/bin/env bash
# `fairlab deploy` over real ssh, on the three machines of machines.sh: a scenario is played and
# compared with the simulated one; what goes wrong with machines and disks is said in one line and
# leaves nothing. Nothing is left afterwards.
#
#   lab.sh STATIC_BINARY          FAIRLAB names the fairlab under test
set -euo pipefail
# shellcheck source-path=SCRIPTDIR source=lib.sh
. "$(dirname "$0")/lib.sh"
the_program "${1:-}"
lab=${FAIRLAB:-}
[ -n "$lab" ] || for lab in "$ROOT/target/release/fairlab" "$ROOT/target/debug/fairlab"; do
  [ ! -x "$lab" ] || break
done
[ -x "$lab" ] || skip "no fairlab is built; FAIRLAB names one"
lab=$(realpath "$lab")
# shellcheck source-path=SCRIPTDIR source=machines.sh
. "$(dirname "$0")/machines.sh"

export TMPDIR=$work/tmp
mkdir "$TMPDIR"
file=$DEPLOY/test/lab.toml
all=$work/all.csv
inventory "$all" vm-1 "$net.1" vm-2 "$net.2" vm-3 "$net.3"
options=(--program "$BINARY" --user root --key "$work/key" --ssh-option "UserKnownHostsFile=$work/known" --wait 30)
# deploy INVENTORY OUT OPTION...
deploy() { "$lab" deploy "$file" --inventory "$1" --out "$work/$2" "${options[@]}" "${@:3}"; }
# code N COMMAND...: it ends with this exit code; what it said is in LAST.
code() {
  local want=$1 got=0
  shift
  LAST=$("$@" 2>&1) || got=$?
  [ "$got" = "$want" ] || die "$(printf '%s ' "${@:1:4}")ended with $got, not $want: $LAST"
}
# says WORDS: the last line of LAST, which begins with the program's name, has them.
says() {
  LAST=${LAST##*$'\n'}
  [[ $LAST == "fairlab: "* ]] || die "not a line of fairlab: $LAST"
  shows "$1"
}
# nodes I: how many run there, of whatever run.
nodes() { pgrep --ns "${machine[$1]}" --nslist net -f 'fairhaul run -c .*/\.fairlab-' | wc -l; }
# is_clean I: neither a process nor a folder of a run is there.
is_clean() { [ "$(nodes "$1")" = 0 ] && [ -z "$(find "$work/m$1/root" -maxdepth 1 -name '.fairlab-[0-9]*')" ]; }
is_there() { ! is_clean "$1"; }
clean_at() {
  local i
  for i in "$@"; do wait_for 5 "left at vm-$i: $(nodes "$i") nodes, $(ls -A "$work/m$i/root")" is_clean "$i"; done
  [ -z "$(ls -A "$TMPDIR")" ] || die "left in TMPDIR: $(ls -A "$TMPDIR")"
}
# playing I...: nodes run there.
playing() { local i; for i in "$@"; do [ "$(nodes "$i")" -gt 0 ] || return 1; done; }
# start NAME OPTION...: a deploy in the background, until its nodes run. Its number is in $director.
start() {
  : >"$work/${1##*/}.log"
  "$lab" deploy "$file" --inventory "$all" --out "$work/$1" "${options[@]}" "${@:2}" >"$work/${1##*/}.log" 2>&1 &
  director=$!
  wait_for 20 "nothing is played: $(cat "$work/${1##*/}.log")" playing 1 2 3
}
# ended CODE NAME: so the deploy in the background ends.
ended() {
  local got=0
  wait "$director" 2>/dev/null || got=$?
  LAST=$(cat "$work/${2##*/}.log")
  [ "$got" = "$1" ] || die "$2 ended with $got, not $1: $LAST"
}

# What is refused before any machine is asked.
inventory "$work/two.csv" vm-1 "$net.1" vm-2 "$net.2"
code 2 deploy "$work/two.csv" x
says '3 peers, but 2 machines; --crowded lets several share one'
step "$LAST"
printf 'name,zone,internal_ip,external_ip,key\nvm 1,,,,\n' >"$work/bad.csv"
code 3 deploy "$work/bad.csv" x
says 'row 2: name "vm 1"'

# A host key that nobody knows is a question, and questions are not answered.
machine_up 1
machine_up 2
for i in 1 2; do wait_for 10 "sshd of vm-$i does not come up: $(cat "$work/m$i.log")" sshd_up $i; done
code 5 deploy "$work/two.csv" x --crowded
says 'vm-1: the host key of'
step "$LAST"
options+=(--ssh-option StrictHostKeyChecking=accept-new)
sed 's/^vm-2,,,[^,]*/vm-2,,,no-such-host.invalid/' "$all" >"$work/other.csv"
code 4 deploy "$work/other.csv" x --wait 1
says 'row 3, vm-2: the name no-such-host.invalid does not resolve'
step "$LAST"
clean_at 1

# Three machines, one of them late; then the two worlds are compared.
deploy "$all" deployed >"$work/first" 2>&1 &
director=$!
wait_for 20 "vm-3 is not waited for: $(cat "$work/first")" grep -q 'vm-3: not up yet' "$work/first"
machine_up 3
wait $director || die "the first deploy: $(cat "$work/first")"
clean_at 1 2 3
step "$(grep 'vm-3: up after' "$work/first"); played, nothing left"
expect "$lab" run "$file" --out "$work/simulated"
expect "$lab" compare "$work/simulated" "$work/deployed"
# Machines of a test may be busy with other things, so the bound is wide.
awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i }
  NR > 1 && $at["quantity"] == "completion" { n++; e = $at["error"]; if (e < 0) e = -e; if (e > 25) exit 1 }
  END { if (n != 2) exit 1 }' "$work/deployed/worlds.csv" || die "the worlds are far apart: $LAST"
grep -q '"world": "deployed"' "$work/deployed/manifest.json" || die "not told as deployed"
step "compared: $(grep -E '^ +completion +' <<<"$LAST" | awk '{ print $2, $(NF - 3) " %" }' | xargs)"

# Three peers on two machines, one of which has the program already.
to 1 'cat >/usr/local/bin/fairhaul && chmod 755 /usr/local/bin/fairhaul' <"$BINARY"
code 0 deploy "$work/two.csv" crowd --crowded --speed 8
on 1 test -x /usr/local/bin/fairhaul || die "an installed program was touched"
clean_at 1 2
step "three peers on two machines"

# sshd asks for a password: one line, at once. The machine that was reached before is clean.
machine_down 3
machine_up 3 -o PubkeyAuthentication=no -o PasswordAuthentication=yes
wait_for 10 "sshd of vm-3 does not come up again" sshd_up 3
code 5 deploy "$all" x
says 'row 4, vm-3:'
shows 'asks a question'
step "$LAST"
clean_at 1 2
machine_down 3
machine_up 3
wait_for 10 "sshd of vm-3 does not come up again" sshd_up 3

# A machine dies in the middle: the run has failed, the others are clean, and --resume goes on.
start cut --speed 2
sleep 1
machine_down 2
ended 10 cut
shows 'row 3, vm-2: the machine no longer answers'
clean_at 1 3
machine_up 2
wait_for 10 "sshd of vm-2 does not come up again" sshd_up 2
code 0 deploy "$all" cut --speed 2 --resume
shows "vm-2: removed what an earlier run left: $(on 2 pwd)/.fairlab-"
clean_at 1 2 3
step "a machine dies: $(grep -m 1 'failed: ' "$work/cut.log")"

# ^C leaves nothing.
start stopped
kill -INT "$director"
ended 130 stopped
says 'interrupted'
clean_at 1 2 3
step "^C: $LAST"

# The director is killed: every machine notices by itself.
start killed
kill -KILL "$director"
ended 137 killed
for i in 1 2 3; do wait_for 5 "left at vm-$i" is_clean $i; done
step "a killed director leaves nothing on the machines"

# It is killed, and so is all at vm-1 that would notice: the next run knows what is its own kind's,
# and leaves alone what is not.
# What is in the single quotes is for the other machine's shell.
# shellcheck disable=SC2016
on 1 'mkdir -p .fairlab-mine/r0/0 .fairlab-9-9-9/r0/0 && echo precious >.fairlab-mine/r0/0/file &&
  echo fairlab 1 1 1 1 >.fairlab-9-9-9/marker && cp "$(command -v sleep)" .fairlab-9-9-9/fairhaul &&
  { setsid .fairlab-9-9-9/fairhaul 300 >/dev/null 2>&1 </dev/null & echo $! >.fairlab-9-9-9/r0/0/pid; }'
other=$(on 1 cat .fairlab-9-9-9/r0/0/pid)
start orphan
# The script and its guard first: they would notice the end of the connection.
mapfile -t keepers < <(pgrep --ns "${machine[1]}" --nslist net -f 'sh -c eval')
[ ${#keepers[@]} -ge 2 ] || die "not a script and a guard at vm-1: ${keepers[*]}"
# A short-lived child of theirs may have ended meanwhile.
kill -KILL "${keepers[@]}" 2>/dev/null || true
kill -KILL "$director"
ended 137 orphan
[ "$(nodes 1)" = 1 ] || die "the orphan of vm-1 has not survived its keepers"
code 0 deploy "$all" orphan --speed 8
shows "vm-1: removed what an earlier run left: $(on 1 pwd)/.fairlab-"
clean_at 1 2 3
[ "$(on 1 cat .fairlab-mine/r0/0/file)" = precious ] || die "a folder that is not ours was touched"
on 1 kill "$other" || die "a process that is not a node was touched"
step "orphans of a killed run are removed by the next one"

# Nobody asks any more, but the connection stands: nodes do not go on for ever. At this speed the
# transfers need 18 s, so none is over before.
start silent --alone 5 --speed 0.25
# What is not there yet would pass for what is gone.
for i in 1 2 3; do wait_for 15 "nothing is at vm-$i" is_there "$i"; done
kill -STOP "$director"
for i in 1 2 3; do wait_for 15 "nothing is at vm-$i" is_there "$i"; done
for i in 1 2 3; do wait_for 15 "vm-$i goes on alone" is_clean $i; done
kill -CONT "$director"
ended 10 silent
step "nodes that hear nothing for 5 s are gone: $(grep -m 1 'failed: ' "$work/silent.log")"

# Too little room at a machine is told with the numbers before anything is played; a disk that
# fills up there is told by its node.
room=$(($(stat -c %s "$BINARY") / 1048576))
for i in 1 2 3; do on $i "mkdir /run/small && mount -t tmpfs -o size=$((room + 2))m tmpfs /run/small"; done
code 3 deploy "$all" small --prefix /run/small
says 'its peers need about'
step "$LAST"
for i in 1 2 3; do on $i "mount -o remount,size=$((room + 8))m /run/small"; done
start small --prefix /run/small
on 2 'head -c 20000000 /dev/zero >/run/small/filler' || true
ended 10 small
grep -q 'failed: light: .*[Nn]o space\|failed: light: .*full' "$work/small.log" || die "not told as full: $(cat "$work/small.log")"
step "a full disk there: $(grep -m 1 'failed: ' "$work/small.log")"
clean_at 1 2 3

# The disk is full at the collector: what is finished stays, and --resume goes on.
mkdir "$work/full"
mount -t tmpfs -o size=1m tmpfs "$work/full"
undo+=("umount $work/full")
start full/out --replications 2 --speed 4
wait_for 20 "no run is finished" test -d "$work/full/out/.runs/c0000.r0000"
dd if=/dev/zero of="$work/full/filler" bs=4k 2>/dev/null || true
ended 3 full/out
says 'No space left on device'
clean_at 1 2 3
step "a full disk here: ${LAST//"$work"/...}"
rm "$work/full/filler"
code 0 deploy "$all" full/out --replications 2 --speed 4 --resume
clean_at 1 2 3

nothing_left
step "nothing is left"
echo "lab: all well"
