#!/usr/bin/env bash
# deploy/gcp with the real gcloud against a Compute API of our own on loopback: VMs are made, made
# again without harm, half made, listed and deleted; what the API then holds is looked at.
# What cloud-init is to do with a VM is checked by cloud-init itself.
#
#   gcp.sh STATIC_BINARY
set -euo pipefail
# What is shared is checked as a file of its own.
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
the_program "${1:-}"
has gcloud || skip "no gcloud here"
has python3 ssh-keygen || skip "needs python3, openssh-client"

work=$(mktemp -d)
python3 "$DEPLOY/test/fake_compute.py" "$work/port" >"$work/fake.log" 2>&1 &
fake=$!
clean() { kill "$fake" 2>/dev/null || true; wait "$fake" 2>/dev/null || true; rm -rf "$work"; }
trap clean EXIT
trap 'exit 130' INT TERM
wait_for 10 "the API does not start: $(cat "$work/fake.log")" test -e "$work/port"
origin=http://127.0.0.1:$(cat "$work/port")

echo word >"$work/token"
export CLOUDSDK_CONFIG=$work/gcloud CLOUDSDK_API_ENDPOINT_OVERRIDES_COMPUTE=$origin/compute/v1/
export CLOUDSDK_AUTH_ACCESS_TOKEN_FILE=$work/token CLOUDSDK_CORE_DISABLE_PROMPTS=1 CLOUDSDK_CORE_CHECK_GCE_METADATA=0
export CLOUDSDK_CORE_PROJECT=demo CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK=1 CLOUDSDK_CORE_DISABLE_USAGE_REPORTING=1
export CLOUDSDK_SURVEY_DISABLE_PROMPTS=1

# state EXPRESSION: of what the API holds, which the expression calls s, with its VMs as v.
state() {
  python3 -c "import json, sys, urllib.request
s = json.load(urllib.request.urlopen('$origin/fake')); v = s['instances']; print($1)"
}
# is WANTED EXPRESSION
is() { local got; got=$(state "$2"); [ "$got" = "$1" ] || die "$2: got $got, wanted $1"; }
quota() {
  python3 -c "import sys, urllib.request
urllib.request.urlopen(urllib.request.Request('$origin/fake', b'{\"instances_max\": $1}'))"
}
cd "$work"
up() { "$DEPLOY/gcp/up.sh" "$@" </dev/null; }

# The quota ends it after the first of three: said in one line, and what is there stays usable.
quota 1
refuse up 3 --max-run-time 2h
shows 'They cost money until they are gone. To end them:'
LAST=${LAST##*$'\n'}
shows "VM fairhaul-2: Quota 'CPUS' exceeded."
shows '1 of 3 VMs are there and cost money: the same command goes on'
is "['fairhaul-1']" "sorted(v)"
[ "$(wc -l <fairhaul-vms/inventory.csv)" = 2 ] || die "the inventory: $(cat fairhaul-vms/inventory.csv)"
step "$LAST"

# The same again makes what is missing, and only that.
quota 99
before=$(state "v['fairhaul-1']['id']")
expect up 3 --max-run-time 2h
say "$LAST"
is "['fairhaul-1', 'fairhaul-2', 'fairhaul-3']" "sorted(v)"
is "$before" "v['fairhaul-1']['id']"
step "the second try makes the other two"

# What was asked of the cloud.
is "{('DELETE', '7200')}" "{(i['scheduling']['instanceTerminationAction'], i['scheduling']['maxRunDuration']['seconds']) for i in v.values()}"
is "{('fairhaul', 'fairhaul')}" "{(i['labels']['fairhaul'], *i['tags']['items']) for i in v.values()}"
is "[('fairhaul-peers', [{'IPProtocol': 'tcp', 'ports': ['7440-7540']}], ['fairhaul'], ['fairhaul'])]" \
  "[(f['name'], f['allowed'], f['sourceTags'], f['targetTags']) for f in s['firewalls'].values()]"
is 0 "sum('PRIVATE KEY' in json.dumps(i) for i in v.values())"
is 0 "sum('serviceAccounts' in i and i['serviceAccounts'] != [] for i in v.values())"
is True "max(len(m['value']) for i in v.values() for m in i['metadata']['items']) < 262144"
step "rule, labels, tags, run time; no private key in the metadata"

# The files of the operator: keys, inventory, names that the cloud resolves.
[ "$(stat -c %a fairhaul-vms fairhaul-vms/fairhaul-1/identity.key fairhaul-vms/ssh_key | xargs)" = '700 600 600' ] ||
  die "others can read the keys"
grep -qE '^fairhaul-3,europe-west1-b,10\.132\.0\.[0-9]+,203\.0\.113\.[0-9]+,[0-9a-f]{64}$' fairhaul-vms/inventory.csv ||
  die "the inventory: $(cat fairhaul-vms/inventory.csv)"
grep -qx 'address = "fairhaul-3.europe-west1-b.c.demo.internal:7440"' fairhaul-vms/fairhaul-1/node.toml ||
  die "fairhaul-1 does not know fairhaul-3 by name"
expect "$FAIRHAUL" check fairhaul-vms/fairhaul-2/node.toml
step "keys, inventory.csv, parameter files"

# cloud-init's own word on its file, as the API got it.
if has cloud-init; then
  for i in 1 2 3; do
    state "[m['value'] for m in v['fairhaul-$i']['metadata']['items'] if m['key'] == 'user-data'][0]" >"user-data-$i"
    expect cloud-init schema --config-file "user-data-$i"
  done
  shows 'Valid'
  # And what it writes there is what is in the tree, to the byte.
  if python3 -c 'import yaml' 2>/dev/null; then
    python3 -c 'import yaml; print(yaml.safe_load(open("user-data-1"))["write_files"][0]["content"], end="")' |
      cmp - "$DEPLOY/fairhaul.service" || die "the unit in user-data is another"
  fi
  step "cloud-init schema: valid"
else
  step "skipped: no cloud-init here to check its file"
fi

# Once more does no harm: nothing is made, nothing changes.
sum() { find fairhaul-vms -type f ! -name known_hosts -exec sha256sum {} + | sort; }
files=$(sum) made=$(state "sum(r.startswith('POST') for r in s['requests'])")
expect up 3 --max-run-time 2h
shows '3 of them are there already, 0 are to be made'
[ "$(sum)" = "$files" ] || die "a third run changes files"
is "$made" "sum(r.startswith('POST') for r in s['requests'])"
step "once more: nothing is made"

expect "$DEPLOY/gcp/list.sh"
say "$LAST"
shows '3 VMs cost money; to end them:'

# Somebody else's VM and rule stay.
python3 - "$origin" <<'END'
import json, sys, urllib.request
s = json.load(urllib.request.urlopen(sys.argv[1] + "/fake"))
other = json.loads(json.dumps(s["instances"]["fairhaul-1"]).replace("fairhaul-1", "database"))
other["labels"] = {"owner": "somebody"}
s["instances"]["database"] = other
s["firewalls"]["ssh"] = {**s["firewalls"]["fairhaul-peers"], "name": "ssh", "description": ""}
urllib.request.urlopen(urllib.request.Request(sys.argv[1] + "/fake", json.dumps(s).encode()))
END
expect "$DEPLOY/gcp/down.sh"
say "$LAST"
shows 'nothing is left in project demo; the keys stay in fairhaul-vms'
is "['database'] ['ssh']" "str(sorted(v)) + ' ' + str(sorted(s['firewalls']))"
[ ! -e fairhaul-vms/inventory.csv ] || die "the inventory of VMs that are gone is left"
expect "$DEPLOY/gcp/list.sh"
shows 'no VM of fairhaul=fairhaul in project demo'
step "down: what is ours is gone, what is not ours stays"
echo "gcp: all well"
