#!/usr/bin/env bash
# Records what each of three users types first, how long it takes and what is printed: who compares
# policies, who moves files between machines, who takes the tables into a report.
#
#   first_minute.sh ARCHIVE [OUT]      OUT defaults to results/first-minute
#
# ARCHIVE is that of a release, as scripts/release.sh makes it: README's first way to install.
# Everything happens in a clone of the commit and in a home in which nothing else is. The three
# machines are network namespaces with sshd. Of what is long the last lines are kept.
set -euo pipefail
cd "$(dirname "$0")/.."
case ${1:-} in
  -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
esac
[ -f "${1:-}" ] || { echo "first_minute.sh: needs a release's archive; see --help" >&2; exit 2; }
archive=$(realpath "$1")
out=$(realpath -m "${2:-results/first-minute}")
root=$PWD
home=$(mktemp -d)
trap 'rm -rf "$home"' EXIT
mkdir -p "$out"
name=$(basename "$archive" .tar.gz)
export HOME=$home PATH=$home/$name/bin:$PATH
unset XDG_DATA_HOME FAIRLAB FAIRHAUL

# typed FILE LINES COMMAND: runs it in this folder; keeps its last LINES lines. Fails as it does.
typed() {
  local file=$out/$1 lines=$2 line=$3 begun said code=0
  begun=$(date +%s%N)
  said=$(bash -c "$line" </dev/null 2>&1) || code=$?
  {
    printf '$ %s\n' "${4:-$line}"
    [ -z "$said" ] || printf '%s\n' "$said" | sed "s|$home|/home/ada|g; s/fhs1-[A-Za-z0-9_-]*/fhs1-…/g" | tail -n "$lines"
    awk -v ms=$((($(date +%s%N) - begun) / 1000000)) 'BEGIN { printf "(%.1f s)\n\n", ms / 1000 }'
  } >>"$file"
  [ "$code" = 0 ] || { echo "first_minute.sh: \"$line\" ended with $code: $said" >&2; exit 1; }
}
for part in compare move machines report; do : >"$out/$part.txt"; done

cd "$home"
cp "$archive" .
typed compare.txt 1 "tar xf $name.tar.gz"
typed compare.txt 1 "git clone --quiet '$root' fairhaul" "git clone …/fairhaul"
cd fairhaul
typed compare.txt 40 "fairlab"
typed compare.txt 12 "ls out/default"

typed report.txt 3 "cut -d, -f1-6 out/default/runs.csv | head -n 3"
typed report.txt 3 "fairlab report out/default --script"
typed report.txt 3 "ls out/default/figures | head -n 3"
typed report.txt 6 "head -n 6 out/default/tables/summary.tex | cut -c 1-90"

mkdir "$home/here" "$home/there"
cd "$home/here"
head -c 50000000 /dev/urandom >holiday.mp4
mkfifo "$home/line"
fairhaul send holiday.mp4 >"$home/line" 2>"$home/talk" &
sending=$!
read -r line <"$home/line"
{ echo '$ fairhaul send holiday.mp4'; head -n 1 "$home/talk"; echo 'fairhaul get fhs1-…'; echo; } >>"$out/move.txt"
cd "$home/there"
typed move.txt 3 "$line" "fairhaul get fhs1-…"
wait "$sending"
cmp "$home/here/holiday.mp4" "$home/there/holiday.mp4"

# Machines: in a shell of its own, which ends where they cannot be made.
cd "$home/fairhaul"
if ! (
  # shellcheck source=/dev/null
  . deploy/test/lib.sh
  # shellcheck source=/dev/null
  . deploy/test/machines.sh
  for i in 1 2 3; do machine_up "$i"; done
  for i in 1 2 3; do wait_for 20 "no sshd" sshd_up "$i"; done
  mkdir mine
  inventory mine/inventory.csv vm-1 "$net.1" vm-2 "$net.2" vm-3 "$net.3"
  ssh="--user root --key $work/key --ssh-option UserKnownHostsFile=$work/known --ssh-option StrictHostKeyChecking=accept-new"
  typed machines.txt 4 "cat mine/inventory.csv"
  typed machines.txt 6 "deploy/ssh/deploy.sh mine/inventory.csv --program \"\$(command -v fairhaul)\" $ssh" \
    "deploy/ssh/deploy.sh mine/inventory.csv --program \"\$(command -v fairhaul)\" --user root --key key"
  on 1 'mkdir -p /var/lib/fairhaul/out && head -c 5000000 /dev/urandom >/var/lib/fairhaul/out/results.tar'
  export -f on to
  export work net
  typed machines.txt 4 "on 1 fairhaul send /var/lib/fairhaul/out/results.tar vm-2 vm-3" \
    "ssh -i key root@vm-1 fairhaul send /var/lib/fairhaul/out/results.tar vm-2 vm-3"
  typed machines.txt 6 "on 2 fairhaul status" "ssh -i key root@vm-2 fairhaul status"
  clean
  trap - EXIT
) ; then
  echo "first_minute.sh: the machines did not do what they should" >&2
  exit 1
fi
cd "$root"
cat >"$out/manifest.toml" <<EOF
command = "scripts/first_minute.sh $name.tar.gz"
archive = "made by scripts/release.sh, SHA-256 $(sha256sum "$archive" | cut -d ' ' -f 1)"
fairhaul = "$(fairhaul --version)"
commit = "$(git rev-parse HEAD)"
kernel = "$(uname -sr)"
cores = $(nproc)
load = "$(cut -d ' ' -f 1-3 /proc/loadavg)"
date = "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
EOF
echo "$out: $(cat "$out"/*.txt | grep -c '^\$ ') commands"
