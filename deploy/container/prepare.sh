#!/usr/bin/env bash
# Makes a folder from which three peers run in containers: image, keys, parameter files, and for
# each peer a folder to send. Then, in that folder: podman-compose up -d. To end it, there:
#
#   podman-compose down      and delete the folder when you need its keys no more
#
# Use: prepare.sh [FOLDER] [--program FILE] [--user UID:GID]
# FOLDER is fairhaul-containers. A second run keeps keys and contents. The peers run as user 65532
# when root prepares; otherwise as --user, which must be the owner of FOLDER as the containers see
# it: your own number with Docker, 0:0 with podman without root.
set -euo pipefail
# What is shared is checked as a file of its own.
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

folder=fairhaul-containers binary=$HERE/../target/static/fairhaul user=65532:65532
[ "$(id -u)" = 0 ] || user=$(id -u):$(id -g)
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --program) binary=$(value "$@"); shift 2 ;;
    --user) user=$(value "$@"); shift 2 ;;
    -*) die "no option $1; --help shows all" ;;
    *) folder=$1; shift ;;
  esac
done
[ -x "$binary" ] || die "no static binary at $binary: scripts/static.sh builds it, --program names another"
export FAIRHAUL=${FAIRHAUL:-$binary}

mkdir -p "$folder"
printf '%s,,,,\n' alpha beta gamma | sed '1i name,zone,internal_ip,external_ip,key' >"$folder/inventory.csv"
inventory_read "$folder/inventory.csv"
identities "$folder"
inventory_write "$folder/inventory.csv"
parameter_files "$folder" '{name}' ''
for name in "${NAMES[@]}"; do
  mkdir -p "$folder/$name/run" "$folder/$name/data/from-$name"
  chmod 700 "$folder/$name/run" "$folder/$name/data"
  chmod 644 "$folder/$name/node.toml"
  install -m 600 "$folder/$name/identity.key" "$folder/$name/run/identity.key"
  [ -e "$folder/$name/data/from-$name/hello.txt" ] || echo "hello from $name" >"$folder/$name/data/from-$name/hello.txt"
  # The folder above them is closed to others, and the node must reach what it may use.
  chmod 711 "$folder/$name"
  if [ "$(id -u)" = 0 ]; then chown -R "$user" "$folder/$name/run" "$folder/$name/data"; fi
done
cp "$binary" "$folder/fairhaul"
cp "$HERE/container/Dockerfile" "$HERE/container/compose.yaml" "$folder"
printf 'FAIRHAUL_USER=%s\n' "$user" >"$folder/.env"
say "ready: cd $folder && podman-compose up -d; podman-compose down ends it"
