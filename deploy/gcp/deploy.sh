#!/usr/bin/env bash
# Installs and starts the nodes on the VMs that up.sh has made: program, private keys and parameter
# files go there by ssh, as deploy/ssh/deploy.sh does it for any machine. To end it all: down.sh.
# Use: deploy.sh [install|status|stop|remove] [--dir FOLDER] [--program FILE] [--wait SECONDS]
set -euo pipefail
# What is shared is checked as a file of its own.
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

verb=install more=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --dir) FOLDER=$(value "$@") ;;
    --program | --wait | --ssh-port) more+=("$1" "$(value "$@")") ;;
    -*) die "no option $1; --help shows all" ;;
    *) verb=$1; shift; continue ;;
  esac
  shift 2
done
settle
[ -r "$FOLDER/inventory.csv" ] || die "no inventory in $FOLDER: up.sh makes the VMs first"
# A fresh VM lets nobody in until cloud-init has made the user: that is waited for.
exec "$HERE/ssh/deploy.sh" "$FOLDER/inventory.csv" "$verb" --user deployer --key "$FOLDER/ssh_key" \
  --ssh-option StrictHostKeyChecking=accept-new --ssh-option "UserKnownHostsFile=$FOLDER/known_hosts" \
  --address "$(internal_name)" --wait-login 120 "${more[@]}"
