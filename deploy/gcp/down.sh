#!/usr/bin/env bash
# Deletes what up.sh has made: every VM with the label fairhaul=PREFIX, then the firewall rule
# PREFIX-peers. Looks afterwards, and says what is left. What the VMs had received is gone then.
# Use: down.sh [--dir FOLDER] [--project ID] [--name-prefix WORD]
set -euo pipefail
# What is shared is checked as a file of its own.
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

place "$@"
ours
rows=$RESULT
wrong=''
while read -r zone; do
  [ -n "$zone" ] || continue
  mapfile -t names < <(awk -F, -v zone="$zone" '$2 == zone { print $1 }' <<<"$rows")
  say "deleting ${names[*]} in $zone"
  cloud "${names[*]} in $zone" instances delete "${names[@]}" --zone "$zone" || wrong=$FAILED
done < <(cut -d, -f2 <<<"$rows" | sort -u)
# A rule of that name which somebody else has made stays.
our_rule description
if [ "$RESULT" = "fairhaul $PREFIX: peers among themselves" ]; then
  say "deleting firewall rule $PREFIX-peers"
  cloud "firewall rule $PREFIX-peers" firewall-rules delete "$PREFIX-peers" || wrong=$FAILED
fi
ours
left=$RESULT
if [ -n "$left$wrong" ]; then
  die "not all is gone, and it costs money: $(cut -d, -f1 <<<"$left" | xargs) ${wrong:+($wrong) }- run it again"
fi
# The addresses are somebody else's from now on.
rm -f "$FOLDER/inventory.csv" "$FOLDER/known_hosts"
say "nothing is left in project $PROJECT; the keys stay in $FOLDER, delete it when you need them no more"
