#!/usr/bin/env bash
# Shows the VMs that up.sh has made, on the cloud's word and not on a file's. To end them: down.sh.
# Use: list.sh [--dir FOLDER] [--project ID] [--name-prefix WORD]
set -euo pipefail
# What is shared is checked as a file of its own.
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

place "$@"
ours
rows=$RESULT
if [ -z "$rows" ]; then
  say "no VM of fairhaul=$PREFIX in project $PROJECT"
  exit 0
fi
{ echo name,zone,internal_ip,external_ip,status; sort -V <<<"$rows"; } | { column -s, -t 2>/dev/null || cat; }
say "$(wc -l <<<"$rows") VMs cost money; to end them: $(ending)"
