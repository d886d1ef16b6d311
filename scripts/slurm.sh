#!/usr/bin/env bash
# Makes a sweep in parts under a Slurm of its own on this machine, and compares it with one machine's.
#
#   slurm.sh
#
# Starts munged, slurmctld and slurmd in a folder of their own, submits what `fairlab sweep --slurm`
# prints, waits for the merge and compares every table byte for byte. Then it submits a sweep of
# which a part fails: its merge must not run. Ends what it started.
# FAIRLAB names the program [default: target/release/fairlab]. Needs root, slurmctld, slurmd and munge.
# Exit codes: 0 done, 1 something is wrong, 2 usage, 3 programs or rights are missing, which it says.
set -euo pipefail
cd "$(dirname "$0")/.."
[ $# = 0 ] || { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2; }

lab=$(realpath "${FAIRLAB:-target/release/fairlab}")
export FAIRLAB=$lab
[ -x "$lab" ] || { echo "slurm.sh: no $lab: cargo build --release -p fairhaul-lab, or set FAIRLAB" >&2; exit 1; }
[ "$(id -u)" = 0 ] || { echo "skipped: no root, so no Slurm was started"; exit 3; }
for program in munged slurmctld slurmd sbatch squeue; do
  command -v "$program" >/dev/null 2>&1 || PATH=$PATH:/usr/sbin
  command -v "$program" >/dev/null 2>&1 || { echo "skipped: no $program, so no Slurm was started"; exit 3; }
done

work=$(mktemp -d)
chmod 755 "$work"
started=()
end() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  for pid in "${started[@]}"; do wait "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap end EXIT

# wait_for WHAT COMMAND...: until it ends well, for half a minute.
wait_for() {
  local what=$1
  shift
  for _ in $(seq 150); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.2
  done
  echo "slurm.sh: $what: not within 30 s" >&2
  tail -n 20 "$work"/*.log >&2 || true
  exit 1
}

port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

host=$(hostname -s)
head -c 1024 /dev/urandom >"$work/munge.key"
chmod 400 "$work/munge.key"
munged --foreground --force --key-file="$work/munge.key" --socket="$work/munge.socket" \
  --pid-file="$work/munge.pid" --log-file="$work/munge.log" --seed-file="$work/munge.seed" \
  >"$work/munged.log" 2>&1 &
started+=($!)
wait_for "munged" test -S "$work/munge.socket"

mkdir "$work/state" "$work/spool"
cat >"$work/slurm.conf" <<CONF
ClusterName=fairhaul
SlurmctldHost=$host(127.0.0.1)
SlurmctldPort=$(port)
SlurmdPort=$(port)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket=$work/munge.socket
StateSaveLocation=$work/state
SlurmdSpoolDir=$work/spool
SlurmctldPidFile=$work/slurmctld.pid
SlurmdPidFile=$work/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1
MpiDefault=none
ReturnToService=2
NodeName=$host NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=main Nodes=$host Default=YES State=UP
CONF
export SLURM_CONF=$work/slurm.conf
slurmctld -D >"$work/slurmctld.log" 2>&1 &
started+=($!)
slurmd -D >"$work/slurmd.log" 2>&1 &
started+=($!)
is_idle() { [ "$(sinfo -h -o %T)" = idle ]; }
wait_for "a node that is ready" is_idle

is_over() { ! squeue -h -t all -j "$1" -o %T | grep -qv -e COMPLETED -e CANCELLED -e FAILED; }

# submit WORDS...: the number of the merge of a sweep in four parts.
submit() {
  "$lab" sweep "$@" --slurm 4 >"$work/jobs.sh"
  (cd "$work" && SBATCH_OUTPUT=$work/job-%j.log sh jobs.sh) | sed -n 's/^parts: [0-9]*, merge: //p'
}

scenario=$PWD/experiments/scenarios/limits.toml
"$lab" sweep "$scenario" --replications 2 --out "$work/whole" --json >/dev/null 2>&1
merge=$(submit "$scenario" --replications 2 --out "$work/parts")
wait_for "the merge" test -f "$work/parts/manifest.json"
wait_for "the end of the merge" is_over "$merge"
compared=0
for table in "$work"/whole/*.csv "$work"/whole/*.hlog "$work"/whole/overview.txt; do
  cmp "$table" "$work/parts/$(basename "$table")"
  compared=$((compared + 1))
done
[ "$compared" -ge 5 ] || { echo "slurm.sh: only $compared tables were compared" >&2; exit 1; }
echo "four parts under $(slurmctld -V): $compared tables are equal byte for byte"

# A folder that is no result stands where a part should go.
mkdir -p "$work/broken/shards/2-of-4" && echo "something else" >"$work/broken/shards/2-of-4/notes"
merge=$(submit "$scenario" --replications 2 --out "$work/broken")
wait_for "the end of the merge of a sweep that failed" is_over "$merge"
[ ! -e "$work/broken/manifest.json" ] || { echo "slurm.sh: merged without part 2" >&2; exit 1; }
[ -z "$(ls -A "$work/broken/.runs" 2>/dev/null)" ] || { echo "slurm.sh: a merge was begun without part 2" >&2; exit 1; }
echo "a sweep of which a part failed was not merged"
