# shellcheck shell=bash
# What the scripts for Google Cloud share, beside ../lib.sh: which VMs are ours, and gcloud.
# Ours is what carries the label fairhaul=PREFIX, and one firewall rule, PREFIX-peers.

# shellcheck source=/dev/null
. "$(dirname "${BASH_SOURCE[0]}")/../lib.sh"
FOLDER=fairhaul-vms PROJECT='' PREFIX='' FAILED=''

# Rows of ours: name,zone,internal_ip,external_ip,status.
COLUMNS_OF_OURS='csv[no-heading](name,zone.basename(),networkInterfaces[0].networkIP,networkInterfaces[0].accessConfigs[0].natIP,status)'

# cloud WHAT WORDS...: gcloud compute. RESULT is what it printed; or FAILED one line, with WHAT.
cloud() {
  local what=$1 said
  shift
  said=$(mktemp)
  # Those who source this read it.
  # shellcheck disable=SC2034
  if RESULT=$(gcloud compute "$@" --project "$PROJECT" --quiet 2>"$said"); then
    rm -f "$said"
    return 0
  fi
  FAILED=$(sed '/^WARNING/d;/Could not fetch resource:$/d;/requests did not succeed:$/d;/^ *$/d;s/^ *- //;s/^ERROR: ([a-z.-]*) //' "$said" | head -n 1 | sed 's/\.$//')
  FAILED="$what: ${FAILED:-gcloud ended without a word}"
  rm -f "$said"
  return 1
}

# settle: project and prefix, from the options, else from the folder, else from gcloud.
settle() {
  local kept=$FOLDER/cloud
  if [ -r "$kept" ]; then
    [ -n "$PROJECT" ] || PROJECT=$(sed -n 's/^project=//p' "$kept")
    [ -n "$PREFIX" ] || PREFIX=$(sed -n 's/^prefix=//p' "$kept")
  fi
  [ -n "$PROJECT" ] || { need gcloud && PROJECT=$(gcloud config get-value project 2>/dev/null); }
  [ -n "$PREFIX" ] || PREFIX=fairhaul
  [[ $PROJECT =~ ^[a-z0-9.:-]+$ ]] || die "no project: --project ID, or gcloud config set project ID"
  [[ $PREFIX =~ ^[a-z][a-z0-9-]{0,40}$ ]] || die "--name-prefix $PREFIX: a small letter, then at most 40 of a-z 0-9 -"
}

# place OPTION...: what list.sh and down.sh take.
place() {
  while [ $# -gt 0 ]; do
    case $1 in
      -h | --help) usage; exit 0 ;;
      --dir) FOLDER=$(value "$@") ;;
      --project) PROJECT=$(value "$@") ;;
      --name-prefix) PREFIX=$(value "$@") ;;
      *) die "no option $1; --help shows all" ;;
    esac
    shift 2
  done
  need gcloud
  settle
}

# ours: RESULT is the rows of our VMs; nothing else is known if that fails, so it ends the script.
ours() {
  cloud "VMs cannot be listed" instances list --filter "labels.fairhaul=$PREFIX" --format "$COLUMNS_OF_OURS" ||
    die "$FAILED"
}
# our_rule MEMBER: RESULT is that of the firewall rule, or nothing.
our_rule() {
  cloud "firewall rules cannot be listed" firewall-rules list --filter "name=$PREFIX-peers" --format "value($1)" ||
    die "$FAILED"
}

# ending: how a person ends it all, to be pasted.
ending() { echo "$(dirname "$0")/down.sh --dir $FOLDER --project $PROJECT --name-prefix $PREFIX"; }

# internal_name: how peers find each other: by the name that the cloud's own DNS gives each VM.
internal_name() {
  local of=$PROJECT
  [[ $of != *:* ]] || of=${PROJECT#*:}.${PROJECT%%:*}
  echo "{name}.{zone}.c.$of.internal"
}
