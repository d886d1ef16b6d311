#!/usr/bin/env bash
# The systemd unit: systemd's own check finds nothing, and its score of what a node could do to the
# machine does not get worse.
#
#   service.sh STATIC_BINARY
set -euo pipefail
# What is shared is checked as a file of its own.
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
the_program "${1:-}"
has systemd-analyze || skip "no systemd-analyze here"
# In tenths; 0 is a service that can do nothing at all, 100 one that can do everything.
EXPOSURE_MAX=11

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unit=$work/fairhaul.service
# The check wants programs that are there.
sed "s|/usr/local/bin/fairhaul run|$BINARY run|" "$DEPLOY/fairhaul.service" >"$unit"
LAST=$(systemd-analyze verify --recursive-errors=no --man=no "$unit" 2>&1) || die "systemd-analyze verify: $LAST"
[ -z "$LAST" ] || die "systemd-analyze verify: $LAST"
sed 's/^Type=notify/Type=notifies/' "$unit" >"$work/bad.service"
LAST=$(systemd-analyze verify --recursive-errors=no --man=no "$work/bad.service" 2>&1) || true
shows 'notifies'
expect systemd-analyze security --offline=true --threshold=$EXPOSURE_MAX "$unit"
score=$(grep -o 'exposure level .*: [0-9.]*' <<<"$LAST" | grep -o '[0-9.]*$')
refuse systemd-analyze security --offline=true --threshold=$((EXPOSURE_MAX - 1)) "$unit"
step "verified; exposure $score of 10"
echo "service: all well"
