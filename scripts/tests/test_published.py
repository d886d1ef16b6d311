"""The page of published experiments: its words from scenarios, its rows from results."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

HERE = pathlib.Path(__file__).resolve().parent.parent

SCENARIO = """
[scenario]
name = "e99-pair"
about = "Two flows"

[published]
id = "E99"
source = "A. Author, A Title, 2007"
read = "all"
assumed = "nothing"

[[claim]]
name = "half"
says = "each gets half"
metric = "share"
per = "all"
over = { who = "fifo" }
at-least = 0.5
"""

CLAIMS = """experiment,claim,says,metric,cell,n,centre,value,ci_lo,ci_hi,relation,bound,verdict
E99,half,each gets half,share / all,flows = 8,6,mean,0.51234,0.5,0.52,at-least,0.5,holds
E99,half,each gets half,share / all,flows = 32,6,mean,0.4,,,at-least,0.5,fails
"""


class Published(unittest.TestCase):
    """A tree with one scenario, and a result of it where a test puts one."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)
        for folder in ("experiments/scenarios/published", "results/published/e99-pair", "docs"):
            (self.root / folder).mkdir(parents=True)
        self.write("experiments/scenarios/published/e99-pair.toml", SCENARIO)
        self.write("docs/numbers-allowed.txt", "docs/published.md | * | of the scenarios\n")

    def write(self, name, text):
        (self.root / name).write_text(text, encoding="utf-8")

    def run_script(self, name, *words):
        command = [sys.executable, str(HERE / name), *words]
        return subprocess.run(command, cwd=self.root, capture_output=True, text=True, check=False)

    def page(self):
        return (self.root / "docs/published.md").read_text(encoding="utf-8")

    def test_a_note_beside_a_scenario_follows_with_its_markers_once_there_is_a_result(self):
        marker = "<!-- from results/published/e99-pair\n{runs.csv max(x)}\n-->\n<!-- end -->\n"
        self.write("experiments/scenarios/published/e99-pair.md", f"### More\n\n{marker}")
        self.run_script("published.py")
        self.assertIn("\n### More\n\n(no committed result yet)\n", self.page())
        self.write("results/published/e99-pair/runs.csv", "x\n7\n")
        self.run_script("published.py")
        self.run_script("numbers.py", "docs/published.md")
        self.assertIn("-->\n7\n<!-- end -->\n", self.page())
        self.assertEqual(self.run_script("published.py", "--check").returncode, 0)

    def test_without_a_result_there_are_the_claims_alone(self):
        self.assertEqual(self.run_script("published.py").returncode, 0)
        self.assertIn("## E99: Two flows\n", self.page())
        self.assertIn("- each gets half\n", self.page())
        self.assertEqual(self.run_script("published.py", "--check").returncode, 0)

    def test_a_row_has_what_was_claimed_beside_what_was_found(self):
        self.write("results/published/e99-pair/claims.csv", CLAIMS)
        self.assertEqual(self.run_script("published.py").returncode, 0)
        self.assertEqual(self.run_script("numbers.py", "docs/published.md").returncode, 0)
        row = "| each gets half (flows = 8) | `share / all`, over fifo >= 0.5 | 0.512 [0.500, 0.520] | holds |"
        self.assertIn(row, self.page())
        row = "| each gets half (flows = 32) | `share / all`, over fifo >= 0.5 | 0.400 | fails |"
        self.assertIn(row, self.page())
        # Filled in, it is not old, and written again it keeps its numbers.
        self.assertEqual(self.run_script("published.py", "--check").returncode, 0)
        filled = self.page()
        self.assertEqual(self.run_script("published.py").returncode, 0)
        self.assertEqual(self.page(), filled)

    def test_other_words_or_rows_make_the_page_old(self):
        self.write("results/published/e99-pair/claims.csv", CLAIMS)
        self.run_script("published.py")
        scenario = "experiments/scenarios/published/e99-pair.toml"
        self.write(scenario, SCENARIO.replace("each gets half", "each gets a half"))
        self.assertEqual(self.run_script("published.py", "--check").returncode, 1)
        self.write(scenario, SCENARIO)
        self.write("results/published/e99-pair/claims.csv", "\n".join(CLAIMS.split("\n")[:2]) + "\n")
        self.assertEqual(self.run_script("published.py", "--check").returncode, 1)

    def test_a_claim_that_the_result_does_not_know_says_so(self):
        self.write("results/published/e99-pair/claims.csv", CLAIMS.split("\n")[0] + "\n")
        self.run_script("published.py")
        self.assertIn("| not judged yet | |", self.page())

    def test_other_words_are_refused(self):
        self.assertEqual(self.run_script("published.py", "--chekc").returncode, 2)


if __name__ == "__main__":
    unittest.main()
