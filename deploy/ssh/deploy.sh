#!/usr/bin/env bash
# Puts a fairhaul node onto machines that are reached by ssh, with their identities and parameter
# files, and starts it; every machine then knows every other one. To end it again:
#
#   deploy.sh INVENTORY remove        (what was received stays on the machines)
#
# Use: deploy.sh INVENTORY [install|status|stop|remove] [OPTION...]
# INVENTORY is a CSV file: name,zone,internal_ip,external_ip,key; a row is a machine. Empty may be
# zone, key (a pair is made in the inventory's folder, which is yours to keep) and addresses: ssh
# goes to external_ip, else internal_ip, else name; peers dial internal_ip, else external_ip, else
# name. A second run does no harm; it also brings new machines and parameters to all.
#
#   --program FILE       the static binary to install        (default: what scripts/static.sh built)
#   --user NAME          log in as NAME; needs root or sudo without a password, or --prefix
#   --key FILE           log in with this key
#   --ssh-port N         where sshd listens (22)
#   --ssh-option O=V     more options of ssh, as in ssh -o; may be repeated
#   --prefix DIR         everything below DIR there, without root and without systemd
#   --address TEMPLATE   what peers dial, of {name} {zone} {address} (default: {address})
#   --wait SECONDS       how long a machine may take to come up (180)
#   --wait-login SECONDS how long it may refuse the login meanwhile (0)
set -euo pipefail
# What is shared is checked as a file of its own.
# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"

binary=$HERE/../target/static/fairhaul prefix=- template='{address}' wait=180 wait_login=0
options=(-o BatchMode=yes -o ConnectTimeout=5 -o ServerAliveInterval=5 -o ServerAliveCountMax=3)
words=()
while [ $# -gt 0 ]; do
  case $1 in
    -h | --help) usage; exit 0 ;;
    --program) binary=$(value "$@") ;;
    --user) options+=(-l "$(value "$@")") ;;
    --key) options+=(-o IdentitiesOnly=yes -i "$(value "$@")") ;;
    --ssh-port) options+=(-p "$(value "$@")") ;;
    --ssh-option) options+=(-o "$(value "$@")") ;;
    --prefix) prefix=$(value "$@") ;;
    --address) template=$(value "$@") ;;
    --wait) wait=$(value "$@") ;;
    --wait-login) wait_login=$(value "$@") ;;
    -*) die "no option $1; --help shows all" ;;
    *) words+=("$1"); shift; continue ;;
  esac
  shift 2
done
[[ ${#words[@]} =~ ^[12]$ ]] || die "use: deploy.sh INVENTORY [install|status|stop|remove]"
inventory=${words[0]} verb=${words[1]:-install}
[[ $verb =~ ^(install|status|stop|remove)$ ]] || die "no verb $verb; allowed are install, status, stop, remove"
[[ $prefix == - || $prefix =~ ^/[A-Za-z0-9_./-]+$ ]] || die "--prefix $prefix: an absolute path of A-Z a-z 0-9 _ . / -"
need ssh tar sha256sum
folder=$(dirname "$inventory")
work=$(mktemp -d)
# One connection to each machine for all that is said to it.
options+=(-o ControlMaster=auto -o "ControlPath=$work/%C" -o ControlPersist=60)
finish() {
  local i
  for i in "${!NAMES[@]}"; do ssh "${options[@]}" -O exit "$(host "$i")" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

# host I: where ssh goes for machine I.
host() { printf '%s' "${EXTERNALS[$1]:-${INTERNALS[$1]:-${NAMES[$1]}}}"; }

# at I COMMAND: on machine I; standard input goes there.
at() {
  local host
  host=$(host "$1")
  shift
  # The words are ours and mean the same to both shells.
  # shellcheck disable=SC2029
  ssh "${options[@]}" "$host" "$@" 2>"$work/said"
}

# why I: the last failure of ssh to machine I, in one line.
why() {
  local i=$1 row host said
  host=$(host "$i")
  row="$inventory row $((i + 2)), ${NAMES[i]}"
  said=$(grep -v '^Warning: Permanently' "$work/said" | tail -n 1 | tr -d '\r')
  case $said in
    *'Could not resolve'*) echo "$row: the name $host does not resolve" ;;
    *'Permission denied'*) echo "$row: $host refuses the login, or asks a question that nobody answers here (${said##*: }); see --user and --key" ;;
    *'Host key verification failed'*) echo "$row: the host key of $host is not known or not the one that is known; log in once by hand" ;;
    *) echo "$row: $host: ${said:-ssh ended without a word}" ;;
  esac
}

# reach I: waits until machine I lets us in, and asks which program is there. What will not get
# better is not waited for.
reach() {
  local i=$1 from=$SECONDS told=no limit
  until at "$i" "sha256sum ${prefix#-}/usr/local/bin/fairhaul 2>/dev/null || true" </dev/null >"$work/there"; do
    limit=$wait
    case $(cat "$work/said") in
      *'Could not resolve'* | *'Host key verification'* | *'REMOTE HOST IDENT'* | *'not accessible'*) limit=0 ;;
      *'Permission denied'*) limit=$wait_login ;;
    esac
    [ $((SECONDS - from)) -lt "$limit" ] || die "$(why "$i")"
    [ $told = yes ] || say "${NAMES[i]}: not up yet, waiting at most $limit s"
    told=yes
    sleep 2
  done
  [ $told = no ] || say "${NAMES[i]}: up after $((SECONDS - from)) s"
}

# there I VERB FILE...: sends the files and lets remote.sh do the verb. They lie in a folder that
# nobody else can read, and go again whatever happens.
there() {
  local i=$1 doing=$2 stage=$work/stage
  shift 2
  mkdir "$stage"
  cp "$HERE/ssh/remote.sh" "$@" "$stage"
  # Without names of this machine's users in it, which the other may not have.
  tar -C "$stage" --owner=0 --group=0 -czf "$work/stage.tar" .
  rm -rf "$stage"
  # What is in the single quotes is for the other machine's shell.
  # shellcheck disable=SC2016
  at "$i" 'd=$(mktemp -d) && trap "rm -rf $d" EXIT && tar -xzof - -C "$d" && sh "$d/remote.sh"' \
    "$doing" "$prefix" <"$work/stage.tar" >"$work/out" || die "$(why "$i")"
}

inventory_read "$inventory"
if [ "$verb" = install ]; then
  [ -x "$binary" ] || die "no static binary at $binary: scripts/static.sh builds it, --program names another"
  FAIRHAUL=$(program)
  export FAIRHAUL
  identities "$folder"
  inventory_write "$inventory"
  parameter_files "$folder" "$template" "${prefix#-}"
  cp "$binary" "$work/fairhaul"
  digest=$(sha256sum <"$binary" | cut -d' ' -f1)
fi
for i in "${!NAMES[@]}"; do
  reach "$i"
  if [ "$verb" = install ]; then
    files=("$HERE/fairhaul.service" "$folder/${NAMES[i]}/identity.key" "$folder/${NAMES[i]}/node.toml")
    grep -q "^$digest " "$work/there" || files+=("$work/fairhaul")
    there "$i" install "${files[@]}"
  else
    there "$i" "$verb"
  fi
  sed "s/^/${NAMES[i]}: /" "$work/out"
done
[ "$verb" = install ] || exit 0

# Every machine has every other one as its peer; that they meet is what was asked for.
from=$SECONDS wanted=$((${#NAMES[@]} - 1))
for i in "${!NAMES[@]}"; do
  until there "$i" status && grep -q ", $wanted connected" "$work/out"; do
    [ $((SECONDS - from)) -lt 60 ] ||
      die "${NAMES[i]} runs, but has not met its $wanted peers in a minute: $(head -n 1 "$work/out"); is port $PORT open between them?"
    sleep 1
  done
done
echo "${#NAMES[@]} nodes run, and each is connected to the other $wanted"
