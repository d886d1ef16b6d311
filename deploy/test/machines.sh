# shellcheck shell=bash
# Three machines for a test: network namespaces on one bridge, each with folders, a host name and
# an sshd of its own. Sourced after lib.sh and the_program; skips the test where it cannot be done.
# All is in the folder $work and named $tag, and goes when the test ends.

[ "$(id -u)" = 0 ] || skip "needs root, for network namespaces"
has ip sshd ssh ssh-keygen unshare useradd || skip "needs iproute2, openssh-server, util-linux"

tag=fdp$((RANDOM % 10000)) net=10.$((60 + RANDOM % 190)).77
work=$(mktemp -d -p /dev/shm)
chmod 755 "$work"
declare -A machine=()
# Commands that a test wants at its end, first.
undo=()

# machine_down I: its sshd, and everything else in its namespace.
machine_down() {
  local pid
  [ -n "${machine[$1]:-}" ] || return 0
  for pid in $(ip netns pids "$tag-$1" 2>/dev/null); do kill -9 "$pid" 2>/dev/null || true; done
  wait "${machine[$1]}" 2>/dev/null || true
  machine[$1]=''
}
clean() {
  local i
  for i in "${undo[@]}"; do $i 2>/dev/null || true; done
  for i in "${!machine[@]}"; do
    machine_down "$i"
    # The link first: with its namespace it would go, but later.
    ip link del "$tag-$i" 2>/dev/null || true
    ip netns del "$tag-$i" 2>/dev/null || true
  done
  ip link del "$tag" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM

link_up() {
  ip netns add "$tag-$1"
  machine[$1]=''
  ip link add "$tag-$1" type veth peer name eth0 netns "$tag-$1"
  ip link set "$tag-$1" master "$tag" up
  ip -n "$tag-$1" addr add "$net.$1/24" dev eth0
  ip -n "$tag-$1" link set eth0 up
  ip -n "$tag-$1" link set lo up
}
# machine_up I [SSHD OPTION...]
machine_up() {
  local i=$1
  shift
  ip netns exec "$tag-$i" unshare --mount --uts --propagation private \
    "$DEPLOY/test/machine.sh" "$work/m$i" "vm-$i" "$@" >"$work/m$i.log" 2>&1 </dev/null &
  machine[$i]=$!
}

ssh-keygen -q -t ed25519 -N '' -f "$work/key"
ip link add "$tag" type bridge
ip addr add "$net.254/24" dev "$tag"
ip link set "$tag" up
for i in 1 2 3; do
  mkdir "$work/m$i"
  cp "$work/key.pub" "$work/m$i/authorized_keys"
  for j in 1 2 3; do echo "$net.$j vm-$j.here.c.demo.internal"; done >"$work/m$i/hosts"
  ssh-keygen -q -t ed25519 -N '' -f "$work/m$i/host_key"
  link_up "$i"
done

# to I COMMAND...: what a person would type into ssh, as root. on: the same, without an input.
to() {
  local i=$1
  shift
  ssh -o BatchMode=yes -o LogLevel=ERROR -o "UserKnownHostsFile=$work/known" -i "$work/key" \
    -o ControlMaster=auto -o "ControlPath=$work/%C" -o ControlPersist=20 "root@$net.$i" "$*" 2>"$work/to.err"
}
on() { to "$@" </dev/null; }
inventory() { # FILE then NAME ADDRESS...
  local file=$1
  mkdir -p "$(dirname "$file")"
  echo name,zone,internal_ip,external_ip,key >"$file"
  shift
  while [ $# -gt 0 ]; do echo "$1,,,$2," >>"$file"; shift 2; done
}
# sshd_up I: it takes connections.
sshd_up() { timeout 1 bash -c "exec 3<>/dev/tcp/$net.$1/22"; }
# nothing_left: takes all down, and looks.
nothing_left() {
  clean
  trap - EXIT
  [ -z "$(ip netns list | grep "^$tag" || true)$(ip link show 2>/dev/null | grep " $tag" || true)" ] || die "namespaces are left"
  [ ! -e "$work" ] || die "$work is left"
}
