#!/usr/bin/env bash
# Makes what a release consists of: static binaries, an archive, a Debian package, the image of a
# container, and a list of checksums. The same commit and compiler give the same bytes, wherever
# the checkout lies. On x86-64 also an archive for aarch64, if a cross linker and Rust's target are
# at hand; its programs are built and not run.
#
#   release.sh [--out DIR] [--programs DIR] [--no-image]
#
#   --out DIR       where it goes [default: target/release-VERSION]
#   --programs DIR  package fairhaul, fairlab and fairlab-emulate from DIR instead of building
#                   them, for this machine alone
#   --no-image      leave the image out
#
# Needs a C compiler and dpkg-deb; podman for the image. What is not at hand is skipped with a line.
# Exit codes: 0 done; 1 it cannot be made; 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."
out='' programs='' image=1
while [ $# -gt 0 ]; do
  case $1 in
    --out | --programs)
      [ $# -gt 1 ] || { echo "release.sh: $1 needs a value; see --help" >&2; exit 2; }
      if [ "$1" = --out ]; then out=$2; else programs=$2; fi
      shift 2 ;;
    --no-image) image=0; shift ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    *) echo "release.sh: what is \"$1\"? see --help" >&2; exit 2 ;;
  esac
done
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
out=${out:-target/release-$version}
# All dates in what is made are that of the commit.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
deb_arch=$(dpkg --print-architecture 2>/dev/null || uname -m)
rm -rf "$out"
mkdir -p "$out"
out=$(realpath "$out")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

say() { printf 'release.sh: %s\n' "$*"; }

# Programs. Paths of this machine must not reach the binaries: neither Rust's nor the C compiler's.
mkdir "$work/bin"
if [ -n "$programs" ]; then
  cp "$programs/fairhaul" "$programs/fairlab" "$programs/fairlab-emulate" "$work/bin"
else
  cargo_home=${CARGO_HOME:-$HOME/.cargo}
  sysroot=$(rustc --print sysroot)
  RUSTFLAGS="--remap-path-prefix=$PWD=/fairhaul --remap-path-prefix=$cargo_home=/cargo --remap-path-prefix=$sysroot=/rust"
  CFLAGS="-ffile-prefix-map=$PWD=/fairhaul -ffile-prefix-map=$cargo_home=/cargo"
  export RUSTFLAGS CFLAGS
  scripts/static.sh "$work/bin/fairhaul" "$work/bin/fairlab"
  strip "$work/bin/fairlab" "$work/bin/fairlab-emulate" 2>/dev/null ||
    say "fairlab keeps its symbols: no strip here"
fi
for program in fairhaul fairlab; do
  said=$("$work/bin/$program" --version)
  case $said in
    "$program $version"*) ;;
    *) echo "release.sh: $program says \"$said\", Cargo.toml says $version" >&2; exit 1 ;;
  esac
done

# files ROOT BIN MAN BASH ZSH FISH DOC: both programs of the folder $from with pages and completions,
# which those that run here write, under ROOT, and fairlab-emulate, which fairlab starts.
from=$work/bin
files() {
  local root=$1 bin=$2 man=$3 bash=$4 zsh=$5 fish=$6 doc=$7 program
  mkdir -p "$root"/{"$bin","$man","$bash","$zsh","$fish","$doc"}
  for program in fairhaul fairlab; do
    install -m 0755 "$from/$program" "$root/$bin/$program"
    "$work/bin/$program" man | gzip -9n >"$root/$man/$program.1.gz"
    "$work/bin/$program" completions bash >"$root/$bash/$program"
    "$work/bin/$program" completions zsh >"$root/$zsh/_$program"
    "$work/bin/$program" completions fish >"$root/$fish/$program.fish"
  done
  install -m 0755 "$from/fairlab-emulate" "$root/$bin/fairlab-emulate"
  gzip -9n <CHANGELOG.md >"$root/$doc/changelog.gz"
  cp README.md NOTICE LICENSE-* "$root/$doc"
  find "$root" -type f ! -perm -100 -exec chmod 0644 {} +
  find "$root" -type d -exec chmod 0755 {} +
}

# archive ARCHITECTURE: of the programs in the folder $from.
archive() {
  local name=fairhaul-$version-$1-linux
  files "$work/$name" bin share/man bash zsh fish doc
  install -m 0644 deploy/fairhaul.service "$work/$name/doc/fairhaul.service"
  tar -C "$work" --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
    -cf - "$name" | gzip -9n >"$out/$name.tar.gz"
  say "$name.tar.gz"
}
archive "$(uname -m)"

cross=aarch64-unknown-linux-gnu gcc=aarch64-linux-gnu-gcc
if [ -n "$programs" ] || [ "$(uname -m)" != x86_64 ]; then
  say "skipped: the archive for aarch64, which is built on x86-64 with all others"
elif ! command -v "$gcc" >/dev/null 2>&1; then
  say "skipped: no $gcc (Debian: gcc-aarch64-linux-gnu), so no archive for aarch64"
elif ! [ -d "$(rustc --print target-libdir --target "$cross")" ]; then
  say "skipped: no Rust target $cross (rustup target add), so no archive for aarch64"
else
  CC_aarch64_unknown_linux_gnu=$gcc CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$gcc \
    RUSTFLAGS="$RUSTFLAGS -C target-feature=+crt-static" cargo build --release --locked --quiet \
    -p fairhaul -p fairhaul-lab -p fairhaul-emulate --bins --target "$cross"
  from=$work/$cross
  mkdir "$from"
  for program in fairhaul fairlab fairlab-emulate; do
    "${gcc%gcc}strip" -o "$from/$program" "${CARGO_TARGET_DIR:-target}/$cross/release/$program"
  done
  archive aarch64
  from=$work/bin
fi

if command -v dpkg-deb >/dev/null 2>&1; then
  root=$work/deb
  files "$root" usr/bin usr/share/man/man1 usr/share/bash-completion/completions \
    usr/share/zsh/vendor-completions usr/share/fish/vendor_completions.d usr/share/doc/fairhaul
  mkdir -p "$root/usr/lib/systemd/system" "$root/etc/fairhaul" "$root/DEBIAN"
  # The unit's user is made by systemd for as long as it runs (DynamicUser).
  sed 's|/usr/local/bin/|/usr/bin/|' deploy/fairhaul.service >"$root/usr/lib/systemd/system/fairhaul.service"
  {
    cat NOTICE
    printf '\nfairhaul is under the MIT licence or the Apache licence 2.0, at your option.\n\n'
    cat LICENSE-MIT
  } >"$root/usr/share/doc/fairhaul/copyright"
  cat >"$root/DEBIAN/control" <<EOF
Package: fairhaul
Version: $version
Architecture: $deb_arch
Maintainer: The fairhaul authors <fairhaul@localhost>
Section: net
Priority: optional
Installed-Size: $(du -sk --exclude DEBIAN "$root" | cut -f1)
Description: move files fairly, and find out before what fair will do
 fairhaul moves files between machines, encrypted and verified, under rate
 limits and a fairness policy that you choose. fairlab simulates the same
 policies for thousands of peers, compares them and draws the figures.
EOF
  for script in postinst postrm; do
    printf '#!/bin/sh\nset -e\nif [ -d /run/systemd/system ]; then systemctl daemon-reload; fi\n' >"$root/DEBIAN/$script"
    chmod 0755 "$root/DEBIAN/$script"
  done
  # A removed package leaves no node running; an upgraded one goes on until it is restarted.
  cat >"$root/DEBIAN/prerm" <<'EOF'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then
  systemctl disable --now fairhaul.service
fi
EOF
  chmod 0755 "$root/DEBIAN/prerm"
  find "$root" -exec touch -h -d "@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group --build "$root" "$out/fairhaul_${version}_$deb_arch.deb" >/dev/null
  say "fairhaul_${version}_$deb_arch.deb"
else
  say "skipped: no dpkg-deb, so no Debian package"
fi

if [ "$image" = 0 ]; then
  say "skipped: the image, as asked"
elif command -v podman >/dev/null 2>&1; then
  mkdir "$work/image"
  cp deploy/container/Dockerfile "$work/bin/fairhaul" "$work/image"
  podman build --quiet --format docker --timestamp "$SOURCE_DATE_EPOCH" -t "fairhaul:$version" "$work/image" \
    >/dev/null 2>"$work/podman" || { cat "$work/podman" >&2; exit 1; }
  podman save --quiet --format docker-archive -o "$work/image.tar" "fairhaul:$version" 2>/dev/null
  gzip -9n <"$work/image.tar" >"$out/fairhaul-$version-$(uname -m)-linux-image.tar.gz"
  say "fairhaul-$version-$(uname -m)-linux-image.tar.gz: podman load, or docker load, gives fairhaul:$version"
else
  say "skipped: no podman, so no image"
fi

(cd "$out" && sha256sum -- * >"$work/sums" && mv "$work/sums" SHA256SUMS)
say "$out/SHA256SUMS: $(wc -l <"$out/SHA256SUMS") files"
