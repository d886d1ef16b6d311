#!/usr/bin/env bash
# The image and the compose file, run for real with podman: three peers come up, each sends its
# folder to the other two, and everything goes again.
#
#   containers.sh STATIC_BINARY
set -euo pipefail
# What is shared is checked as a file of its own.
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
the_program "${1:-}"
[ "$(id -u)" = 0 ] || skip "needs root, for containers with a network of their own"
has podman podman-compose runc iptables || skip "needs podman, podman-compose, runc, netavark, aardvark-dns, iptables"

# Images, containers and networks of this test alone, and nobody else's.
work=$(mktemp -d -p /var/tmp)
limit=$(ulimit -Hn)
cat >"$work/containers.conf" <<END
[containers]
default_ulimits = ["nofile=$limit:$limit", "nproc=1024:1024"]
[engine]
runtime = "runc"
[network]
network_config_dir = "$work/networks"
END
cat >"$work/storage.conf" <<END
[storage]
driver = "overlay"
graphroot = "$work/storage"
runroot = "$work/run"
END
export CONTAINERS_CONF=$work/containers.conf CONTAINERS_STORAGE_CONF=$work/storage.conf
peers=fairhaul-test-$$
clean() {
  if [ -d "$work/$peers" ]; then (cd "$work/$peers" && podman-compose down) >/dev/null 2>&1 || true; fi
  podman rm --all --force >/dev/null 2>&1 || true
  podman network rm --force "${peers}_default" >/dev/null 2>&1 || true
  podman rmi --all --force >/dev/null 2>&1 || true
  umount "$work/storage/overlay" 2>/dev/null || true
  rm -rf "$work"
}
trap clean EXIT
trap 'exit 130' INT TERM

expect "$DEPLOY/container/prepare.sh" "$work/$peers" --program "$BINARY"
cd "$work/$peers"
expect podman build --quiet --format docker --tag fairhaul .
step "image: $(podman image inspect fairhaul --format '{{.Size}} bytes, user {{.User}}')"
# Where containers are not let run at all, that is no fault of the image.
LAST=$(podman run --rm fairhaul --version 2>&1) || skip "containers do not run here: $(tail -n 1 <<<"$LAST")"
shows 'fairhaul '

expect podman-compose up -d
step "podman-compose up -d"
all_there() {
  local to from
  for to in alpha beta gamma; do
    for from in alpha beta gamma; do
      [ $from = $to ] || cmp "$from/data/from-$from/hello.txt" "$to/data/inbox/from-$from/hello.txt" || return 1
    done
  done
}
wait_for 60 "not every folder is everywhere: $(podman ps -a)" all_there
for name in alpha beta gamma; do
  podman logs "${peers}_${name}_1" 2>&1 | cut -c 1-110 | sed "s/^/$name: /"
done
step "each folder is at each peer"
expect podman healthcheck run "${peers}_beta_1"
expect podman exec "${peers}_alpha_1" /fairhaul status
shows 'alpha: up'
shows '2 connected'
[ "$(stat -c %u beta/data/inbox/from-alpha/hello.txt)" = 65532 ] || die "the node writes as another user"
step "healthy; nothing runs as root"
expect podman-compose down
[ -z "$(podman ps -aq)" ] || die "containers are left: $(podman ps -a)"

# Keys and contents outlive the containers.
key=$(grep -c . inventory.csv)$(sha256sum <inventory.csv)
expect "$DEPLOY/container/prepare.sh" "$work/$peers" --program "$BINARY"
[ "$(grep -c . inventory.csv)$(sha256sum <inventory.csv)" = "$key" ] || die "a second prepare.sh makes other keys"
step "down; a second prepare.sh keeps the keys"
cd /
clean
trap - EXIT
[ ! -e "$work" ] || die "$work is left"
step "nothing is left"
echo "containers: all well"
