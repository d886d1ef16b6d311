#!/bin/sh
# What happens on a machine that is deployed to. deploy.sh sends it there and runs it.
#   remote.sh install|stop|remove|status PREFIX        PREFIX - : the system's own folders
# With the system's folders it needs root, asks sudo for it, and uses systemd where that runs.
# Without systemd, or with a PREFIX, the node is a process in a session of its own.
# Nothing that is as it should be is touched, so a second run does no harm.
set -eu
verb=$1 prefix=${2%/}
here=$(cd "$(dirname "$0")" && pwd)
[ "$prefix" = - ] && prefix=

if [ -z "$prefix" ] && [ "$(id -u)" != 0 ]; then
  sudo -n true 2>/dev/null || {
    echo "$(id -un) may not become root without a password: another --user, or --prefix DIR" >&2
    exit 1
  }
  exec sudo -n sh "$here/remote.sh" "$@"
fi

bin=$prefix/usr/local/bin etc=$prefix/etc/fairhaul data=$prefix/var/lib/fairhaul
run=$prefix/run/fairhaul log=$prefix/var/log/fairhaul.log socket=$run/control.sock
unit=/etc/systemd/system/fairhaul.service
systemd=no
[ -z "$prefix" ] && [ -d /run/systemd/system ] && systemd=yes
changed=

# put NAME TARGET MODE: the file that was sent, if it is not there already; whole or not at all.
# The program is sent only to where it is not.
put() {
  if [ -e "$here/$1" ] && ! cmp -s "$here/$1" "$2"; then
    rm -f "$2.new"
    cp "$here/$1" "$2.new"
    mv "$2.new" "$2"
    changed="$changed $1"
  fi
  chmod "$3" "$2"
}

# ours: the process that the last start left, if it still runs and is not another by now.
ours() {
  pid=$(cat "$run/pid" 2>/dev/null) || return 1
  [ "$(tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline")" = "$bin/fairhaul run -c $etc/node.toml " ]
}

running() { if [ $systemd = yes ]; then systemctl -q is-active fairhaul; else ours; fi; }

stop() {
  if [ $systemd = yes ]; then
    [ ! -e $unit ] || systemctl -q disable --now fairhaul
    return 0
  fi
  ours || return 0
  kill "$pid" 2>/dev/null || true
  tries=0
  while ours && [ $tries -lt 100 ]; do sleep 0.1; tries=$((tries + 1)); done
  ! ours || kill -9 "$pid"
  rm -f "$run/pid"
}

# start: as a process. Root hands it to a user that owns nothing else, where setpriv is there.
start() {
  mkdir -p "$data" "$run" "$(dirname "$log")"
  chmod 700 "$data" "$run"
  rm -f "$run/identity.key"
  (umask 077 && cat "$etc/identity.key" >"$run/identity.key")
  as=
  if [ "$(id -u)" = 0 ] && command -v setpriv >/dev/null 2>&1; then
    chown -R 65532:65532 "$data" "$run"
    as="setpriv --reuid=65532 --regid=65532 --clear-groups --no-new-privs"
  fi
  # $as is words, not one word.
  # shellcheck disable=SC2086
  setsid $as "$bin/fairhaul" run -c "$etc/node.toml" >>"$log" 2>&1 </dev/null &
  echo $! >"$run/pid"
  tries=0
  until "$bin/fairhaul" status --socket "$socket" >/dev/null 2>&1; do
    tries=$((tries + 1))
    if [ $tries -gt 100 ] || ! kill -0 "$(cat "$run/pid")" 2>/dev/null; then
      echo "the node does not start: $(tail -n 1 "$log")" >&2
      exit 1
    fi
    sleep 0.1
  done
}

restart() {
  if [ $systemd = no ]; then stop; start; return 0; fi
  systemctl -q enable fairhaul
  systemctl restart fairhaul 2>/dev/null || {
    echo "the node does not start: $(journalctl -u fairhaul -o cat -n 20 --no-pager | grep -m 1 '^fairhaul:')" >&2
    exit 1
  }
}

install_all() {
  mkdir -p "$bin" "$etc"
  chmod 755 "$bin" "$etc"
  put fairhaul "$bin/fairhaul" 755
  put identity.key "$etc/identity.key" 600
  [ $systemd = no ] || put fairhaul.service $unit 644
  case $changed in *service*) systemctl daemon-reload ;; esac
  before=$changed
  put node.toml "$etc/node.toml" 644
  if [ -n "$before" ] || ! running; then
    restart
  elif [ -n "$changed" ] && ! said=$("$bin/fairhaul" reload --socket "$socket" 2>&1); then
    echo "the running node does not take the parameter file: $said" >&2
    exit 1
  fi
  if [ -n "$changed" ]; then echo "new:$changed; running"; else echo "as it was, running"; fi
}

case $verb in
  install) umask 077; install_all ;;
  stop) stop; echo stopped ;;
  remove)
    stop
    [ $systemd = no ] || { rm -f $unit; systemctl daemon-reload; }
    rm -rf "$bin/fairhaul" "$etc" "$run" "$log"
    if [ -e "$data" ]; then echo "removed; what it received stays in $data"; else echo removed; fi
    ;;
  status) exec "$bin/fairhaul" status --socket "$socket" ;;
esac
