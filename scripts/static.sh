#!/usr/bin/env bash
# Builds fairhaul as one static binary that needs nothing else on the machine it runs on.
# Usage: scripts/static.sh [OUT [LAB]]     OUT defaults to target/static/fairhaul
# With LAB, fairlab is built in the same way and copied there, with fairlab-emulate beside it.
# With the musl target and musl-gcc (Debian: musl-tools); without them with a static glibc, which
# cannot resolve names of hosts by plug-ins of the system.
set -euo pipefail
cd "$(dirname "$0")/.."
out=${1:-target/static/fairhaul} lab=${2:-}
packages=(-p fairhaul)
[ -z "$lab" ] || packages+=(-p fairhaul-lab -p fairhaul-emulate)
arch=$(uname -m)
musl=$arch-unknown-linux-musl
if command -v musl-gcc >/dev/null 2>&1 && rustc --print target-libdir --target "$musl" 2>/dev/null |
  xargs -I{} test -d {}; then
  target=$musl
  export "CC_${musl//-/_}=musl-gcc"
else
  target=$arch-unknown-linux-gnu
  export RUSTFLAGS="${RUSTFLAGS:-} -C target-feature=+crt-static"
fi
cargo build --release --locked --quiet "${packages[@]}" --bins --target "$target"
built=${CARGO_TARGET_DIR:-target}/$target/release
mkdir -p "$(dirname "$out")"
cp "$built/fairhaul" "$out"
[ -z "$lab" ] || { cp "$built/fairlab" "$lab" && cp "$built/fairlab-emulate" "$(dirname "$lab")"; }
strip "$out" 2>/dev/null || true
# It must start where there is nothing else, not even a library.
empty=$(mktemp -d)
trap 'rm -rf "$empty"' EXIT
cp "$out" "$empty/fairhaul"
if [ "$(id -u)" = 0 ]; then
  chroot "$empty" /fairhaul --version
else
  "$empty/fairhaul" --version
fi
echo "$out: $target, $(stat -c %s "$out") bytes"
