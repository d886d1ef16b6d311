#!/usr/bin/env bash
# The page of a node in a headless browser: add, watch, change a weight and see the shares move,
# pause, a wrong token, a node that stops, names with markup in them. And the reports of committed
# results, at the width of a window and of a phone.
#
#   [FAIRHAUL=PROGRAM] [PAGE_PICTURES=FOLDER] page.sh [TEST...]
#
# Ends with 3, and a line that says why, where there is no Chromium and no right to install it.
set -euo pipefail

case ${1:-} in
  -h|--help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
esac

root=$(cd "$(dirname "$0")/.." && pwd)
FAIRHAUL=$(realpath "${FAIRHAUL:-$root/target/debug/fairhaul}")
export FAIRHAUL

if ! command -v chromedriver >/dev/null 2>&1 || ! command -v chromium >/dev/null 2>&1; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1 || ! { apt-get update -qq \
    && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      chromium chromium-driver >/dev/null; }; then
    echo "skipped: no Chromium here, and no right to install it, so the page was not opened"
    exit 3
  fi
fi
cd "$root/engine/tests/page"
exec python3 -B -m unittest "${@:-discover}"
