# shellcheck shell=bash
# What the scripts that deploy share: words, the inventory, identities, parameter files.
# Sourced after `set -euo pipefail`. Decides nothing about how a machine is reached.
#
# The folder of an inventory holds all there is about its machines, and is the operator's to keep:
#   inventory.csv             name,zone,internal_ip,external_ip,key: one row a machine
#   NAME/identity.key         its private key, mode 0600; NAME/node.toml its parameter file
#   settings.toml             the operator's own keys, merged into every parameter file, if there
#   NAME/settings.toml        the same for that machine alone, if there

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
PORT=7440
NAMES=() ZONES=() INTERNALS=() EXTERNALS=() KEYS=()

# say WORDS: progress, on standard error. die WORDS: one line, and out.
say() { printf '%s\n' "$*" >&2; }
die() { printf '%s: %s\n' "$(basename "$0")" "$*" >&2; exit 1; }
# usage: the header comment of the script itself.
usage() { sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; }
need() {
  local command
  for command in "$@"; do
    command -v "$command" >/dev/null 2>&1 || die "needs $command, which is not installed"
  done
}
# value OPTION REST...: the option's value, or one line.
value() { [ $# -ge 2 ] || die "$1 needs a value"; printf '%s' "$2"; }

# program: the fairhaul that this machine can run, for identities and checks.
program() {
  local found=${FAIRHAUL:-}
  [ -n "$found" ] || found=$(command -v fairhaul || true)
  [ -n "$found" ] || for found in "$HERE/../target/static/fairhaul" "$HERE/../target/release/fairhaul"; do
    [ ! -x "$found" ] || break
  done
  [ -x "$found" ] || die "no fairhaul to be found: build one (scripts/static.sh), or set FAIRHAUL"
  realpath "$found"
}

# inventory_read FILE: into the five tables above. One line names the row that is wrong.
inventory_read() {
  local file=$1 row=1 line name zone internal external key rest seen=' '
  [ -r "$file" ] || die "no inventory at $file"
  NAMES=() ZONES=() INTERNALS=() EXTERNALS=() KEYS=()
  while IFS= read -r line || [ -n "$line" ]; do
    line=${line%$'\r'}
    if [ $row = 1 ]; then
      [ "$line" = name,zone,internal_ip,external_ip,key ] ||
        die "$file row 1: got '$line', allowed is name,zone,internal_ip,external_ip,key"
    elif [ -n "$line" ]; then
      IFS=, read -r name zone internal external key rest <<<"$line"
      [ -z "$rest" ] || die "$file row $row: more than five columns"
      [[ $name =~ ^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$ ]] ||
        die "$file row $row: name '$name', allowed are 1 to 63 of A-Z a-z 0-9 _ . -, not starting with a sign"
      [[ $zone$internal$external =~ ^[A-Za-z0-9_.:-]*$ && $internal$external != -* && $external != -* ]] ||
        die "$file row $row: a zone or address of $name has other signs than A-Z a-z 0-9 _ . : -"
      [[ -z $key || $key =~ ^[0-9a-f]{64}$ ]] ||
        die "$file row $row: the key of $name is not 64 hexadecimal digits (leave it empty to have one made)"
      [[ $seen != *" $name "* ]] || die "$file row $row: a second $name"
      seen+="$name "
      NAMES+=("$name") ZONES+=("$zone") INTERNALS+=("$internal") EXTERNALS+=("$external") KEYS+=("$key")
    fi
    row=$((row + 1))
  done <"$file"
  [ ${#NAMES[@]} -gt 0 ] || die "$file names no machine"
}

# inventory_write FILE: the tables; whole or not at all.
inventory_write() {
  local i
  {
    echo name,zone,internal_ip,external_ip,key
    for i in "${!NAMES[@]}"; do
      echo "${NAMES[i]},${ZONES[i]},${INTERNALS[i]},${EXTERNALS[i]},${KEYS[i]}"
    done
  } >"$1.new"
  mv "$1.new" "$1"
}

# identity FOLDER NAME: its public key; makes the pair if there is none.
identity() {
  local file=$1/$2/identity.key verb=show
  [ -e "$file" ] || verb=new
  (umask 077 && mkdir -p "$1/$2" && "$FAIRHAUL" identity "$verb" --file "$file" 2>"$1/$2/.said") ||
    die "$(tail -n 1 "$1/$2/.said")"
  rm -f "$1/$2/.said"
}

# identities FOLDER: of every machine of the inventory. A key that the inventory gives must fit.
identities() {
  local i key
  for i in "${!NAMES[@]}"; do
    key=$(identity "$1" "${NAMES[i]}")
    [ -z "${KEYS[i]}" ] || [ "${KEYS[i]}" = "$key" ] ||
      die "${NAMES[i]}: the inventory has key ${KEYS[i]}, but $1/${NAMES[i]}/identity.key is $key"
    KEYS[i]=$key
  done
}

# address TEMPLATE I: of machine I, as its peers dial it.
address() {
  local text=$1 i=$2 reach=${INTERNALS[$2]:-${EXTERNALS[$2]:-${NAMES[$2]}}}
  text=${text//'{address}'/$reach} text=${text//'{name}'/${NAMES[i]}} text=${text//'{zone}'/${ZONES[i]}}
  [[ $text != *:*:* || $text == \[* ]] || text="[$text]"
  printf '%s:%s' "$text" "$PORT"
}

# parameter_files FOLDER TEMPLATE PREFIX: one for each machine, checked before it goes anywhere.
parameter_files() {
  local i peers=
  for i in "${!NAMES[@]}"; do peers+="${peers:+,}${NAMES[i]}=$(address "$2" "$i")"; done
  "$FAIRHAUL" init "$1" --peers "$peers" --prefix "${3:-/}" --force >/dev/null 2>"$1/.said" ||
    die "$(tail -n 1 "$1/.said")"
  rm -f "$1/.said"
}
