"""Planted differences: each must fail `check-results.sh`, with a program that plays the lab."""

import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent

# Makes a result of two tables, of which the second is not kept in results/; `manifest --check`
# fails if a file named `changed` is there. What it was told is in the file `told`.
LAB = """#!/usr/bin/env bash
echo "$*" >>told
if [ "$1" = manifest ]; then
  [ ! -e "$2/changed" ] || { echo "fairlab: changed" >&2; exit 3; }
  exit
fi
[ ! -e fails ] || { echo "fairlab: a fault" >&2; exit 3; }
while [ $# -gt 0 ]; do
  case $1 in --out) out=$2; shift ;; --shard) part=${2/\//-of-}; shift ;; esac
  shift
done
[ -z "${part:-}" ] || out=$out/shards/$part/.runs/one
mkdir -p "$out"
cat values >"$out/runs.csv"
printf '{"world": "simulated", "machine": "%s", "command": "fairlab sweep s.toml --out results/a --json", "files": {"runs.csv": "%s", "windows.csv": "w%s"}}' \
  "$RANDOM" "$(cksum <values)" "$(cat windows)" >"$out/manifest.json"
"""


class CheckResults(unittest.TestCase):
    """A tree with one simulated result and one that was measured."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)
        (self.root / "scripts").mkdir()
        shutil.copy(SCRIPTS / "check-results.sh", self.root / "scripts")
        self.write("scripts/numbers.py", "#!/usr/bin/env bash\necho filled\n", 0o755)
        self.write("lab", LAB, 0o755)
        self.write("values", "1\n")
        self.write("windows", "1")
        self.write("results/m/manifest.json", '{"world": "measured", "command": "x", "files": {}}')
        self.lab("sweep", "--out", "results/a")

    def write(self, name, text, mode=0o644):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(mode)

    def lab(self, *arguments):
        subprocess.run([self.root / "lab", *arguments], cwd=self.root, check=True)

    def check(self, *arguments):
        done = subprocess.run([self.root / "scripts/check-results.sh", *arguments], cwd=self.root,
                              env={**os.environ, "FAIRLAB": str(self.root / "lab")},
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def test_results_that_are_made_again_alike_pass_and_stay(self):
        before = (self.root / "results/a/manifest.json").read_text()
        code, said = self.check()
        self.assertEqual(code, 0, said)
        self.assertIn("results/a: equal byte for byte", said)
        self.assertIn("results/m: is what its manifest is of", said)
        self.assertRegex(said, r"2 results are as they should be \(\d+ s on \d+ cores\)")
        self.assertEqual((self.root / "results/a/manifest.json").read_text(), before)
        told = (self.root / "told").read_text().split("\n")
        self.assertRegex(told[1], r"^sweep s\.toml --out \S+ --force --json$")

    def test_a_byte_that_differs_fails_and_is_named(self):
        self.write("results/a/runs.csv", "2\n")
        code, said = self.check()
        self.assertEqual(code, 1)
        self.assertIn("results/a/runs.csv", said)
        self.assertIn("not as they should be: results/a", said)

    def test_a_file_that_is_no_longer_made_fails(self):
        self.write("results/a/peers.csv", "1\n")
        self.assertEqual(self.check()[0], 1)

    def test_a_table_that_is_not_kept_is_compared_by_its_digest(self):
        self.write("windows", "2")
        code, said = self.check()
        self.assertEqual(code, 1)
        self.assertIn("results/a: the manifest has other digests of windows.csv", said)

    def test_a_new_result_is_found_wherever_it_lies(self):
        self.lab("sweep", "--out", "results/deep/er")
        self.write("results/deep/er/runs.csv", "2\n")
        self.assertIn("not as they should be: results/deep/er", self.check()[1])
        self.assertEqual(self.check("results/a")[0], 0)

    def test_a_measured_file_that_changed_fails(self):
        self.write("results/m/changed", "")
        self.assertIn("not as they should be: results/m", self.check()[1])

    def test_a_command_that_fails_says_what_it_said(self):
        self.write("fails", "")
        code, said = self.check()
        self.assertEqual((code, "fairlab: a fault" in said), (1, True))

    def test_an_update_puts_what_was_made_in_place_and_fills_the_documents(self):
        self.write("values", "3\n")
        self.assertEqual(self.check()[0], 1)
        code, said = self.check("--update")
        self.assertEqual(code, 0, said)
        self.assertIn("filled", said)
        self.assertEqual((self.root / "results/a/runs.csv").read_text(), "3\n")
        manifest = json.loads((self.root / "results/a/manifest.json").read_text())
        self.assertIn("--out results/a", manifest["command"])
        self.assertEqual(self.check()[0], 0)

    def test_of_a_large_result_a_part_is_made_and_its_rows_are_compared(self):
        manifest = json.loads((self.root / "results/a/manifest.json").read_text()) | {"runs": 600}
        self.write("results/a/manifest.json", json.dumps(manifest))
        self.write("results/a/runs.csv", "run,x,y\nr1,5,\nr2,6,7\n")
        self.write("values", "run,x\nr1,5\n")
        code, said = self.check("--sample", "results/a")
        self.assertEqual(code, 0, said)
        self.assertIn("results/a: 1 of 2 runs are equal", said)
        self.assertRegex((self.root / "told").read_text(), r"--out \S+ --shard \d+/10 |--shard \d+/10 --out")
        for wrong, what in [("r1,4", "run r1 differs in x"), ("r3,5", "run r3 differs in run, x")]:
            self.write("values", f"run,x\n{wrong}\n")
            code, said = self.check("--sample", "results/a")
            self.assertEqual((code, what in said), (1, True), said)
        # Without it all is made, and a table that has other rows differs.
        self.assertEqual(self.check("results/a")[0], 1)

    def test_what_is_no_result_is_refused(self):
        self.assertEqual(self.check("--sample", "--update")[0], 2)
        self.assertEqual(self.check("results/b")[0], 2)
        self.assertEqual(self.check("--all")[0], 2)


if __name__ == "__main__":
    unittest.main()
