#!/usr/bin/env bash
# Every test of the deployment: machines by ssh, a scenario on them, Google Cloud, containers,
# Kubernetes, the service.
# What is missing is installed where that may be done; a part that cannot run here says so in a
# line that begins with its name and "skipped:". Stops at the first failure.
#
#   all.sh STATIC_BINARY
set -euo pipefail
case ${1:-} in
  -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
esac
here=$(cd "$(dirname "$0")" && pwd)
binary=$(realpath "${1:?use: all.sh STATIC_BINARY}")

packages=(openssh-server openssh-client iproute2 sudo python3-venv cloud-init python3-yaml systemd strace
  podman podman-compose runc netavark aardvark-dns iptables)
if command -v apt-get >/dev/null 2>&1 && [ "$(id -u)" = 0 ]; then
  missing=()
  for package in "${packages[@]}"; do
    [ "$(dpkg-query -W -f '${Status}' "$package" 2>/dev/null)" = "install ok installed" ] || missing+=("$package")
  done
  if [ ${#missing[@]} -gt 0 ]; then
    echo "installing ${missing[*]}"
    if ! { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      "${missing[@]}"; } >/tmp/deploy-test-apt.$$ 2>&1; then
      echo "not all could be installed: $(tail -n 1 /tmp/deploy-test-apt.$$)"
    fi
    rm -f /tmp/deploy-test-apt.$$
  fi
fi
for part in service gcp kubernetes containers ssh lab; do
  echo "-- $part"
  "$here/$part.sh" "$binary" </dev/null
done
echo "deploy: all well ($SECONDS s)"
