#!/usr/bin/env bash
# The manifests against the schema of Kubernetes, strictly, for three nodes and for five.
#
#   kubernetes.sh STATIC_BINARY
set -euo pipefail
# What is shared is checked as a file of its own.
# shellcheck source=/dev/null
. "$(dirname "$0")/lib.sh"
the_program "${1:-}"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv" >/dev/null 2>&1 || skip "no python3 with venv here"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check "kubernetes-validate==1.31.0" >"$work/pip" 2>&1 ||
  skip "kubernetes-validate cannot be installed: $(tail -n 1 "$work/pip")"

for count in 3 5; do
  expect "$DEPLOY/kubernetes/prepare.sh" $count "$work/$count" --image registry.example/fairhaul:1
  for file in "$work/$count"/*.yaml; do
    expect "$work/venv/bin/kubernetes-validate" --strict "$file"
    hides ERROR
  done
done
step "Service, StatefulSet, ConfigMap and Secret fit the schema"
# The check itself finds something.
sed 's/serviceName: fairhaul/serviceNam: fairhaul/' "$work/3/fairhaul.yaml" >"$work/bad.yaml"
refuse "$work/venv/bin/kubernetes-validate" --strict "$work/bad.yaml"

# What the manifests hold for a pod is what a node takes.
"$work/venv/bin/python" - "$work/5" <<'END'
import pathlib, sys, yaml
folder = pathlib.Path(sys.argv[1])
texts = yaml.safe_load((folder / "parameters.yaml").read_text())["data"]
keys = yaml.safe_load((folder / "keys.yaml").read_text())["stringData"]
_, pods = yaml.safe_load_all((folder / "fairhaul.yaml").read_text())
assert pods["spec"]["replicas"] == len(texts) == len(keys) == 5
for name, key in keys.items():
    assert key == (folder / name / "identity.key").read_text()
    (folder / f"{name}.toml").write_text(texts[f"{name}.toml"])
END
for i in 0 1 2 3 4; do
  expect "$FAIRHAUL" check "$work/5/fairhaul-$i.toml"
  [ $i = 4 ] || shows 'address = "fairhaul-4.fairhaul:7440"'
done
[ "$(stat -c %a "$work/5/keys.yaml")" = 600 ] || die "others can read the keys"
step "parameter files and keys are those of the nodes"
echo "kubernetes: all well"
