#!/usr/bin/env bash
# Makes a folder of manifests for N nodes in Kubernetes: keys, parameter files, and the StatefulSet
# with its Service. Then: kubectl apply -f FOLDER. To end it (volumes cost money until they go):
#
#   kubectl delete -f FOLDER && kubectl delete pvc -l app=fairhaul
#
# Use: prepare.sh N [FOLDER] [--image NAME]
# FOLDER is fairhaul-kubernetes; its keys are yours to keep. A second run keeps them. NAME is where
# the cluster finds the image of deploy/container/Dockerfile (fairhaul).
set -euo pipefail
# What is shared is checked as a file of its own.
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

count='' folder=fairhaul-kubernetes image=fairhaul
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --image) image=$(value "$@"); shift 2 ;;
    -*) die "no option $1; --help shows all" ;;
    *) if [ -z "$count" ]; then count=$1; else folder=$1; fi; shift ;;
  esac
done
[[ $count =~ ^[1-9][0-9]?$ ]] || die "use: prepare.sh N [FOLDER], with N from 1 to 99"
[[ $image =~ ^[A-Za-z0-9./:@_-]+$ ]] || die "--image $image: the name of an image"
FAIRHAUL=$(program)
export FAIRHAUL

(umask 077 && mkdir -p "$folder")
{
  echo name,zone,internal_ip,external_ip,key
  for i in $(seq 0 $((count - 1))); do echo "fairhaul-$i,,,,"; done
} >"$folder/inventory.csv"
inventory_read "$folder/inventory.csv"
identities "$folder"
inventory_write "$folder/inventory.csv"
parameter_files "$folder" '{name}.fairhaul' ''

# texts KIND NAME MEMBER SUFFIX FILE: a manifest with that file of every node.
texts() {
  local name
  printf 'apiVersion: v1\nkind: %s\nmetadata:\n  name: %s\n  labels:\n    app: fairhaul\n%s:\n' "$1" "$2" "$3"
  for name in "${NAMES[@]}"; do
    printf '  %s: |\n' "$name$4"
    sed 's/^\(.\)/    \1/' "$folder/$name/$5"
  done
}
texts ConfigMap fairhaul-parameters data .toml node.toml >"$folder/parameters.yaml"
(umask 077 && texts Secret fairhaul-keys stringData '' identity.key >"$folder/keys.yaml")
sed "s|image: fairhaul\$|image: $image|;s/replicas: 3\$/replicas: $count/" "$HERE/kubernetes/fairhaul.yaml" >"$folder/fairhaul.yaml"
say "ready: kubectl apply -f $folder; kubectl delete -f $folder ends it, volumes stay until deleted too"
