#!/usr/bin/env bash
# Installs the Debian package into a folder that plays an empty system, looks at what is there,
# and removes it again.
#
#   package.sh DEB
set -euo pipefail
deb=$(realpath "${1:?use: package.sh DEB}")
if ! command -v dpkg >/dev/null 2>&1 || [ "$(id -u)" != 0 ]; then
  echo "package: skipped: no dpkg here, or no right to use it"
  exit 0
fi
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
die() { echo "package.sh: $*" >&2; exit 1; }
mkdir -p "$root/var/lib/dpkg"/{info,updates,triggers} "$root/var/log"
touch "$root/var/lib/dpkg"/{status,available}
# The scripts of the package run outside of the folder, where they find no systemd to tell.
run() { dpkg --root="$root" --log=/dev/null --force-script-chrootless "$@" >"$root/var/log/said" 2>&1 || { cat "$root/var/log/said" >&2; die "dpkg $1"; }; }

run --install "$deb"
version=$(dpkg-deb --field "$deb" Version)
for program in fairhaul fairlab; do
  said=$("$root/usr/bin/$program" --version)
  [ "${said%% (*}" = "$program $version" ] || [ "$said" = "$program $version" ] || die "$program says $said, the package $version"
  gzip -dc "$root/usr/share/man/man1/$program.1.gz" | grep -q "^\.TH $program 1" || die "no page of $program"
  grep -q "$program" "$root/usr/share/bash-completion/completions/$program" || die "no completions of $program"
done
"$root/usr/bin/fairlab" emulate --help | grep -q -- --loopback || die "fairlab does not find fairlab-emulate"
[ "$("$root/usr/bin/fairhaul" init | head -c 1)" = "#" ] || die "init prints no parameter file"
grep -q '^ExecStart=/usr/bin/fairhaul run' "$root/usr/lib/systemd/system/fairhaul.service" || die "the unit starts another program"
run --remove fairhaul
left=$(find "$root" -path "$root/var" -prune -o -type f -print)
[ -z "$left" ] || die "left behind: $left"
echo "package: installed, looked at and removed"
