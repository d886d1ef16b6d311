#!/usr/bin/env bash
# Three nodes on loopback do everything that a person would ask of them, in both directions at
# once, in under half a minute. Exits non-zero at the first wrong thing, with one line about it.
#
#   [FAIRHAUL=PROGRAM] [FAIRLAB=PROGRAM] two-way.sh
set -euo pipefail
# shellcheck source=/dev/null
. "$(dirname "$0")/swarmlib.sh"

case ${1:-} in
  -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
  '') ;;
  *) die "no argument $1" ;;
esac
need python3 diff cmp awk
work_folder

step() { say "$(awk -v s="$(seconds)" -v b="$begin" 'BEGIN { printf "%5.1f s", s - b }')  $*"; }
begin=$(seconds)

# expect WORDS COMMAND...: it succeeds. refuse WORDS COMMAND...: it fails.
expect() { local words=$1; shift; "$@" > "$WORK/last" 2>&1 || die "$words: $(tail -n 1 "$WORK/last")"; }
refuse() { local words=$1; shift; ! "$@" > "$WORK/last" 2>&1 || die "$words"; }

# of_peer NODE PEER MEMBER, of_node NODE MEMBER: what the node shows.
of_peer() { control "$1" peers --json | member "[p for p in (j if isinstance(j, list) else j['peers']) if p['name'] == '$2'][0]['$3']"; }
of_node() { control "$1" status --json | member "j$2"; }
# transfer NODE NAME MEMBER: of the transfer of that name.
transfer() { control "$1" status --json | member "[t for t in j['transfers'] if t['name'] == '$2'][0]['$3']"; }
# is WANTED COMMAND...: it prints just that.
is() { local wanted=$1; shift; [ "$("$@" 2>/dev/null)" = "$wanted" ]; }
# has_bytes NODE NAME N: at least that many bytes of it are there.
has_bytes() { [ "$(transfer "$1" "$2" done_bytes)" -ge "$3" ]; }
# stops NODE: SIGTERM ends it in 5 s with code 0.
stops() {
  local status=0 pid=${NODE_PID[$1]} from=$SECONDS
  kill -TERM "$pid"
  while kill -0 "$pid" 2>/dev/null; do
    [ $((SECONDS - from)) -le 5 ] || die "$1 does not stop in 5 s"
    sleep 0.05
  done
  wait "$pid" || status=$?
  [ "$status" = 0 ] || die "$1 ends with code $status on SIGTERM"
}

# make_tree DIR MIB: files of odd sizes in folders, one of them empty, one without bytes.
make_tree() {
  mkdir -p "$1/deep/er" "$1/empty"
  : > "$1/nothing"
  head -c $(($2 * 1048576 - 70001)) /dev/urandom > "$1/deep/large"
  head -c 70000 /dev/urandom > "$1/deep/er/middle"
  head -c 1 /dev/urandom > "$1/one byte"
}

for name in x y z w; do make_tree "$WORK/$name" 12; done
head -c 48M /dev/urandom > "$WORK/big"

# Nodes and their files.
read -r port_a port_b port_c < <(free_ports 3)
key_a=$(new_key a) key_b=$(new_key b) key_c=$(new_key c)
node_file a "$port_a" unlimited b "$port_b" "$key_b" c "$port_c" "$key_c"
node_file b "$port_b" unlimited a "$port_a" "$key_a" c "$port_c" "$key_c"
node_file c "$port_c" unlimited a "$port_a" "$key_a" b "$port_b" "$key_b"
for name in a b c; do
  expect "the file of $name is refused" "$FAIRHAUL" check "$WORK/$name/node.toml"
done
# shellcheck disable=SC2034,SC2154 # A table by name, which start_node reads.
NODE_OPTIONS[a]="--record $WORK/a.log.inputs --tables $WORK/tables"
for name in a b c; do start_node "$name"; done
for name in a b c; do wait_until 10 "$name does not see both others" is_connected "$name" 2; done
step "three nodes know each other"

control b events --json > "$WORK/events" 2>&1 &
PIDS+=($!)
sleep 0.2
expect "a message is refused" control a message b "good morning"
heard() { grep -q '"good morning"' "$WORK/events"; }
wait_until 5 "the message does not show at b" heard
expect "a ping is refused" control a ping c
step "message and ping"

# Both directions at once: a and b get from each other while a and c push to each other.
ticket_x=$(control a share "$WORK/x")
ticket_y=$(control b share "$WORK/y")
mkdir "$WORK/at-a" "$WORK/at-b"
moving=()
control a get "$ticket_y" "$WORK/at-a" > "$WORK/1" 2>&1 & moving+=($!)
control b get "$ticket_x" "$WORK/at-b" > "$WORK/2" 2>&1 & moving+=($!)
control a send "$WORK/z" c > "$WORK/3" 2>&1 & moving+=($!)
control c send "$WORK/w" a > "$WORK/4" 2>&1 & moving+=($!)
for i in 1 2 3 4; do
  wait "${moving[$((i - 1))]}" || die "transfer $i of 4: $(tail -n 1 "$WORK/$i")"
done
expect "y differs at a" diff -r "$WORK/y" "$WORK/at-a/y"
expect "x differs at b" diff -r "$WORK/x" "$WORK/at-b/x"
expect "z differs at c" diff -r "$WORK/z" "$WORK/c/inbox-a/z"
expect "w differs at a" diff -r "$WORK/w" "$WORK/a/inbox-c/w"
step "four transfers in both directions at once"

# What is changed while it runs.
expect "limit is refused" control a limit node "8 MB/s"
is 8000000 of_node a '["limits"]["up_bytes_s"]' || die "the limit of a does not show"
expect "weight is refused" control a weight peer:b 3
is 300 of_peer a b weight_hundredths || die "the weight of b does not show at a"
expect "floor is refused" control a floor b "1 MB/s"
is 1000000 of_peer a b floor_bytes_s || die "the floor of b does not show at a"
refuse "a limit without a unit is taken" control a limit node 8
refuse "a weight of an unknown peer is taken" control a weight peer:nobody 3
ticket=$(control a share "$WORK/big")
mkdir "$WORK/big-b"
received=$(of_node b '["node"]["down_bytes"]')
control b get "$ticket" "$WORK/big-b" > "$WORK/5" 2>&1 & big=$!
wait_until 10 "nothing of big comes to b" has_bytes b big 3000000
before=$(transfer b big done_bytes) at=$(seconds)
sleep 1.5
awk -v a="$before" -v b="$(transfer b big done_bytes)" -v s="$at" -v e="$(seconds)" \
  'BEGIN { r = (b - a) / (e - s) / 1e6; printf "%.2f\n", r; exit !(r > 6 && r < 9) }' > "$WORK/rate" ||
  die "a limit of 8 MB/s lets $(cat "$WORK/rate") MB/s through"
step "limit, weight and floor ($(cat "$WORK/rate") of 8 MB/s)"

# A pause holds, and ends.
id=$(transfer b big id)
expect "pause is refused" control b pause "$id"
sleep 0.5
before=$(transfer b big done_bytes)
sleep 0.7
is "$before" transfer b big done_bytes || die "bytes come in spite of the pause"
is True transfer b big paused || die "the pause does not show"
expect "resume is refused" control b resume "$id"
wait_until 5 "nothing comes after the pause" has_bytes b big $((before + 1))
# What had come counts still: nothing of it comes again, but for what was under way.
again=$(($(of_node b '["node"]["down_bytes"]') - received - $(transfer b big done_bytes)))
[ "$again" -lt 6000000 ] || die "$again bytes come twice because of a pause"
step "pause and resume"

# Stopped in the middle and started again, it goes on by itself with what it had.
stops b
if wait "$big" 2>/dev/null; then die "get says that all is well, but its node was stopped"; fi
start_node b
wait_until 10 "b does not see both others again" is_connected b 2
expect "limit is refused" control a limit node unlimited
whole() { cmp -s "$WORK/big" "$WORK/big-b/big"; }
wait_until 15 "big is not whole after b was started again" whole
again=$(of_node b '["node"]["down_bytes"]')
[ "$again" -lt $((48 * 1048576 - before / 2)) ] || die "b fetched $again bytes after its start, though it had $before"
step "stop and start in the middle ($before bytes had, $again fetched after)"

# The file read again: a good one counts, a bad one changes nothing.
sed 's/^name = "c"$/&\nweight = 5/' "$WORK/a/node.toml" > "$WORK/good.toml"
cp "$WORK/a/node.toml" "$WORK/old.toml"
cp "$WORK/good.toml" "$WORK/a/node.toml"
kill -HUP "${NODE_PID[a]}"
wait_until 5 "SIGHUP does not bring the new weight" is 500 of_peer a c weight_hundredths
sed 's/^weight = 5$/weight = "heavy"/' "$WORK/good.toml" > "$WORK/a/node.toml"
kill -HUP "${NODE_PID[a]}"
sleep 0.5
refuse "a bad file is taken" control a reload
is 500 of_peer a c weight_hundredths || die "a bad file has changed the weight of c"
cp "$WORK/old.toml" "$WORK/a/node.toml"
expect "the good file is refused" control a reload
is 100 of_peer a c weight_hundredths || die "reload does not bring the old weight back"
step "a good and a bad file read again"

# One more, on all that was changed.
mkdir "$WORK/at-c"
expect "x does not come to c" control c get "$ticket_x" "$WORK/at-c"
expect "x differs at c" diff -r "$WORK/x" "$WORK/at-c/x"

for name in a b c; do stops "$name"; done
step "SIGTERM stops all"

expect "the log of a does not replay to its digest" "$FAIRHAUL" replay "$WORK/a.log.inputs"
step "replay: $(tail -n 1 "$WORK/last")"
for table in peers transfers windows latency; do
  [ "$(wc -l < "$WORK/tables/$table.csv")" -gt 1 ] || die "the table $table has no rows"
done
lab=${FAIRLAB:-$ROOT/target/release/fairlab}
if [ -x "$lab" ]; then
  expect "fairlab does not read the tables" "$lab" report "$WORK/tables"
  step "tables, read by fairlab"
else
  step "tables (no fairlab at hand to read them)"
fi
echo "two-way: all well"
