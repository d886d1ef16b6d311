#!/usr/bin/env bash
# Makes N VMs on Google Cloud for fairhaul nodes. VMS COST MONEY UNTIL THEY ARE GONE. End them with
#
#   deploy/gcp/down.sh       deletes the VMs and the firewall rule; deploy/gcp/list.sh shows them
#
# and whatever happens, each VM deletes itself after its maximum run time.
#
# Use: up.sh N [OPTION...]        then deploy.sh, which installs and starts the nodes
# Running it again does no harm: what is there stays, what is missing is made.
#
#   --max-run-time T     after which a VM deletes itself     (default: 4h)
#   --project ID         (gcloud's own)      --zone Z        (europe-west1-b)
#   --machine-type T     (e2-small)          --network N     (default)
#   --image-family F     (ubuntu-2404-lts-amd64; an image with cloud-init and systemd)
#   --image-project P    (ubuntu-os-cloud)
#   --name-prefix WORD   VMs are WORD-1 to WORD-N            (fairhaul)
#   --dir FOLDER         inventory, keys, parameter files; yours to keep (fairhaul-vms)
#   --yes                do not ask on a terminal
set -euo pipefail
# What is shared is checked as a file of its own.
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

count='' run_time=4h zone=europe-west1-b machine=e2-small network=default yes=no
image_family=ubuntu-2404-lts-amd64 image_project=ubuntu-os-cloud
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --max-run-time) run_time=$(value "$@") ;;
    --project) PROJECT=$(value "$@") ;;
    --zone) zone=$(value "$@") ;;
    --machine-type) machine=$(value "$@") ;;
    --network) network=$(value "$@") ;;
    --image-family) image_family=$(value "$@") ;;
    --image-project) image_project=$(value "$@") ;;
    --name-prefix) PREFIX=$(value "$@") ;;
    --dir) FOLDER=$(value "$@") ;;
    --yes) yes=yes; shift; continue ;;
    -*) die "no option $1; --help shows all" ;;
    *) count=$1; shift; continue ;;
  esac
  shift 2
done
[[ $count =~ ^[1-9][0-9]?$ ]] || die "use: up.sh N, with N from 1 to 99"
[[ $zone =~ ^[a-z0-9-]+$ ]] || die "--zone $zone: such as europe-west1-b"
need ssh-keygen gcloud
settle
FAIRHAUL=$(program)
export FAIRHAUL

cat >&2 <<END
This makes $count VMs of type $machine in $zone, project $PROJECT, and a firewall rule.
They cost money until they are gone. To end them: $(ending)
Each deletes itself after $run_time, whatever happens.
END
if [ -t 0 ] && [ $yes = no ]; then
  read -r -p "Go on? [y/N] " answer
  [ "$answer" = y ] || die "nothing was made"
fi

(umask 077 && mkdir -p "$FOLDER")
[ -e "$FOLDER/ssh_key" ] || ssh-keygen -q -t ed25519 -N '' -C fairhaul -f "$FOLDER/ssh_key"
printf 'project=%s\nprefix=%s\n' "$PROJECT" "$PREFIX" >"$FOLDER/cloud"

# survey: the tables of the inventory, as the cloud has them, and how many of N are missing.
survey() {
  local name where internal external status
  ours
  NAMES=() ZONES=() INTERNALS=() EXTERNALS=() KEYS=()
  while IFS=, read -r name where internal external status; do
    [ -n "$name" ] || continue
    [ "$status" = RUNNING ] || say "$name is there, but is $status"
    NAMES+=("$name") ZONES+=("$where") INTERNALS+=("$internal") EXTERNALS+=("$external") KEYS+=('')
  done < <(sort -V <<<"$RESULT")
}
# is_there NAME: in the tables.
is_there() { [[ " ${NAMES[*]} " == *" $1 "* ]]; }

survey
missing=()
for i in $(seq "$count"); do is_there "$PREFIX-$i" || missing+=("$PREFIX-$i"); done
say "${#NAMES[@]} of them are there already, ${#missing[@]} are to be made"
for name in "${missing[@]}"; do
  NAMES+=("$name") ZONES+=("$zone") INTERNALS+=('') EXTERNALS+=('') KEYS+=('')
done
identities "$FOLDER"
parameter_files "$FOLDER" "$(internal_name)" ''

# user_data NAME: what cloud-init does at the first start. No private key is in it: every process
# of a VM can read its metadata. Key and program follow by ssh, and only then the unit starts.
user_data() {
  cat <<END
#cloud-config
users:
  - default
  - name: deployer
    shell: /bin/bash
    lock_passwd: true
    sudo: "ALL=(ALL) NOPASSWD:ALL"
    ssh_authorized_keys:
      - $(cat "$FOLDER/ssh_key.pub")
ssh_pwauth: false
write_files:
  - path: /etc/systemd/system/fairhaul.service
    permissions: "0644"
    content: |
$(sed 's/^\(.\)/      \1/' "$HERE/fairhaul.service")
  - path: /etc/fairhaul/node.toml
    permissions: "0644"
    content: |
$(sed 's/^\(.\)/      \1/' "$FOLDER/$1/node.toml")
runcmd:
  - [systemctl, daemon-reload]
  - [systemctl, enable, fairhaul.service]
END
}

# gave_up: one line that says what is there and how it goes on.
gave_up() {
  local why=$FAILED
  survey
  identities "$FOLDER"
  [ ${#NAMES[@]} = 0 ] || inventory_write "$FOLDER/inventory.csv"
  die "$why. ${#NAMES[@]} of $count VMs are there and cost money: the same command goes on, $(ending) ends it"
}

our_rule name
if [ -z "$RESULT" ]; then
  cloud "firewall rule $PREFIX-peers" firewall-rules create "$PREFIX-peers" --network "$network" \
    --allow "tcp:$PORT-$((PORT + 100))" --source-tags "$PREFIX" --target-tags "$PREFIX" \
    --description "fairhaul $PREFIX: peers among themselves" --format none || gave_up
  say "firewall rule $PREFIX-peers: ports $PORT to $((PORT + 100)), between these VMs alone"
fi
for name in "${missing[@]}"; do
  user_data "$name" >"$FOLDER/$name/user-data"
  cloud "VM $name" instances create "$name" --zone "$zone" --machine-type "$machine" --network "$network" \
    --image-family "$image_family" --image-project "$image_project" --tags "$PREFIX" \
    --labels "fairhaul=$PREFIX" --max-run-duration "$run_time" --instance-termination-action DELETE \
    --no-service-account --no-scopes --metadata-from-file "user-data=$FOLDER/$name/user-data" \
    --format none || gave_up
  say "$name: made, deletes itself after $run_time"
done

survey
identities "$FOLDER"
inventory_write "$FOLDER/inventory.csv"
# An address that a VM had before may come back with another VM behind it.
for i in "${!NAMES[@]}"; do
  [[ " ${missing[*]} " != *" ${NAMES[i]} "* || ! -e $FOLDER/known_hosts ]] ||
    ssh-keygen -q -R "${EXTERNALS[i]}" -f "$FOLDER/known_hosts" >/dev/null 2>&1 || true
done
column -s, -t "$FOLDER/inventory.csv" 2>/dev/null || cat "$FOLDER/inventory.csv"
say "next: $(dirname "$0")/deploy.sh --dir $FOLDER; to end it: $(ending)"
