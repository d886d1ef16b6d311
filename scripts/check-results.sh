#!/usr/bin/env bash
# Makes every committed simulated result again with the command in its manifest, and compares
# every file byte for byte; of measured ones, the files with the digests in their manifests.
#
#   check-results.sh [--update | --sample] [FOLDER...]
#
#   --update   put what was made in the place of what is committed, and fill the documents
#   --sample   of a published experiment, and of a result of more than 500 runs, make some 4 or 60
#              runs, drawn by the commit, and compare their rows of runs.csv; of all its other files
#              the digests in the manifest
#   FOLDER     only these, such as results/limits
#
# A new result is checked as soon as it is in results/ with a manifest. The lab takes all cores.
# FAIRLAB names the program [default: target/release/fairlab].
# Exit codes: 0 equal, or updated; 1 something differs or cannot be made; 2 usage.
set -euo pipefail
cd "$(dirname "$0")/.."
lab=${FAIRLAB:-target/release/fairlab}
update=0 sample=0 chosen=()
while [ $# -gt 0 ]; do
  case $1 in
    --update) update=1; shift ;;
    --sample) sample=1; shift ;;
    -h | --help) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"; exit 0 ;;
    -*) echo "check-results.sh: no option $1; see --help" >&2; exit 2 ;;
    *) [ -f "$1/manifest.json" ] || { echo "check-results.sh: no $1/manifest.json" >&2; exit 2; }
      chosen+=("${1%/}"); shift ;;
  esac
done
[ $((update + sample)) -lt 2 ] || { echo "check-results.sh: --update makes all runs, without --sample" >&2; exit 2; }
[ -x "$lab" ] || { echo "check-results.sh: no $lab: cargo build --release, or set FAIRLAB" >&2; exit 1; }
if [ ${#chosen[@]} = 0 ]; then
  mapfile -t chosen < <(find results -name manifest.json -printf '%h\n' | sort)
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# words FOLDER OUT SAMPLE: the command of a simulated result, a word a line, with its result in OUT;
# nothing of a result that was measured, or made with real nodes. If SAMPLE is 1, a large one gets
# the part that is to be made.
words() {
  python3 - "$@" "$(git rev-parse HEAD 2>/dev/null || echo 0)" <<'PY'
import json, shlex, sys
folder, out, sample, commit = sys.argv[1:]
manifest = json.load(open(f"{folder}/manifest.json", encoding="utf-8"))
if manifest.get("world", "simulated") == "simulated":
    words = [word for word in shlex.split(manifest["command"]) if word != "--json"]
    if "&&" in words:
        sys.exit("is the result of several commands: make it again with one")
    if "--out" in words:
        at = words.index("--out")
        del words[at:at + 2]
    runs = manifest.get("runs", 0)
    some = 4 if folder.startswith("results/published/") else 60 if runs > 500 else runs
    parts = max(runs // some, 1) if runs else 1
    if sample == "1" and parts > 1:
        words += ["--shard", f"{int(commit, 16) % parts + 1}/{parts}"]
    print("\n".join([*words, "--out", out]))
PY
}

# same_rows FOLDER MADE: whether the runs of a part have the rows that are committed.
same_rows() {
  python3 - "$1" "$2" <<'PY'
import csv, pathlib, sys
folder, made = sys.argv[1:]
rows = lambda path: {row["run"]: row for row in csv.DictReader(open(path, newline="", encoding="utf-8"))}
old, new = rows(f"{folder}/runs.csv"), {}
for path in pathlib.Path(made).glob("shards/*/.runs/*/runs.csv"):
    new |= rows(path)
if not new:
    sys.exit(f"{folder}: no run was made")
for run, row in sorted(new.items()):
    # A table of all runs has the columns of all of them.
    differ = [name for name, value in row.items() if old.get(run, {}).get(name) != value]
    if differ:
        sys.exit(f"{folder}: run {run} differs in {', '.join(differ[:5])}")
print(f"{folder}: {len(new)} of {len(old)} runs are equal")
PY
}

# same FOLDER MADE: whether every file that is committed, and the digest of every file that is
# not, is what was made. The page and the pictures in pixels hold the machine and its fonts.
same() {
  local file
  while read -r file; do
    case $file in
      manifest.json | report.html | *.png | *.pdf) continue ;;
    esac
    cmp "$1/$file" "$2/$file" || return 1
  done < <(cd "$1" && find . -type f -printf '%P\n' | sort)
  python3 - "$1" "$2" <<'PY'
import json, sys
old, new = (json.load(open(f"{folder}/manifest.json", encoding="utf-8"))["files"] for folder in sys.argv[1:])
differ = sorted(name for name in old.keys() | new.keys() if old.get(name) != new.get(name))
sys.exit(f"{sys.argv[1]}: the manifest has other digests of {', '.join(differ)}" if differ else 0)
PY
}

# one FOLDER: makes a result again, and compares it or puts it in its place.
one() {
  local folder=$1 made command started=$SECONDS
  made=$work/$(tr / . <<<"$folder")
  [ $update = 0 ] || made=$(out_of "$folder")
  words "$folder" "$made" $sample >"$work/command" || return 1
  mapfile -t command <"$work/command"
  if [ ${#command[@]} = 0 ]; then
    "$lab" manifest "$folder" --check && echo "$folder: is what its manifest is of"
    return
  fi
  [ "${command[0]}" != fairlab ] || command=("$lab" "${command[@]:1}" --force --json)
  "${command[@]}" >/dev/null 2>"$work/talk" || { cat "$work/talk" >&2; return 1; }
  if [[ " ${command[*]} " == *" --shard "* ]]; then
    same_rows "$folder" "$made" && "$lab" manifest "$folder" --check
  elif [ $update = 0 ]; then
    same "$folder" "$made" && echo "$folder: equal byte for byte ($((SECONDS - started)) s)"
  else
    take "$folder" "$made" && echo "$folder: made again ($((SECONDS - started)) s)"
  fi
}

# out_of FOLDER: where the command of a result puts it, so that the new manifest says the same.
out_of() {
  python3 -c 'import json, shlex, sys
words = shlex.split(json.load(open(sys.argv[1] + "/manifest.json", encoding="utf-8"))["command"])
print(words[words.index("--out") + 1] if "--out" in words else sys.argv[1])' "$1"
}

# take FOLDER MADE: puts the files that are committed of a result in the place of the old ones.
take() {
  local file
  [ "$1" = "$2" ] && return 0
  while read -r file; do
    cp "$2/$file" "$1/$file" || return 1
  done < <(cd "$1" && find . -type f -printf '%P\n')
}

failed=()
for folder in "${chosen[@]}"; do
  one "$folder" || failed+=("$folder")
done
[ $update = 0 ] || scripts/numbers.py || failed+=(documents)
if [ ${#failed[@]} -gt 0 ]; then
  echo "check-results.sh: not as they should be: ${failed[*]}" >&2
  exit 1
fi
echo "${#chosen[@]} results are as they should be ($SECONDS s on $(nproc) cores)"
