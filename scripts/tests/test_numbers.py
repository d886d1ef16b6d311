"""Planted differences: each must fail `numbers.py --check` with a line that says where and what."""

import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

NUMBERS = pathlib.Path(__file__).resolve().parent.parent / "numbers.py"

TABLE = "tool,content,rate,cpu\nscp,big,449906284,3.9\nscp,small,12,3\nnginx,big,680847602,-1.48\nrsync,big,,2\n"
INLINE = "so <!-- from results/t.csv: {tool=scp content=big rate /1e6 .0f} MB/s -->450 MB/s<!-- end --> it is"
BLOCK = """<!-- from results
| tool | rate |
| --- | --- |
| scp | {t.csv tool=scp content=big rate /1e6 3} |
| cores | {manifest.json machine.cores} |
-->
| tool | rate |
| --- | --- |
| scp | 450 |
| cores | 2 |
<!-- end -->
"""


class Numbers(unittest.TestCase):
    """A tree with one table, one manifest and a README."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)
        for folder in ("results", "docs/decisions"):
            (self.root / folder).mkdir(parents=True)
        self.write("results/t.csv", TABLE)
        self.write("results/manifest.json", '{"machine": {"cores": 2}}\n')
        self.write("docs/numbers-allowed.txt", "# none\n")
        self.write("README.md", f"{INLINE}\n\n{BLOCK}")

    def write(self, name, text):
        (self.root / name).write_text(text, encoding="utf-8")

    def git(self, *words):
        """What a command of git prints."""
        who = ["-c", "user.name=x", "-c", "user.email=x@example.com"]
        done = subprocess.run(["git", *who, *words], cwd=self.root,
                              capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def commit(self, *options):
        """A commit of all there is."""
        self.git("add", ".")
        self.git("commit", "-qm", "x", *options)

    def read(self, name):
        return (self.root / name).read_text(encoding="utf-8")

    def run_it(self, *arguments):
        done = subprocess.run([sys.executable, NUMBERS, *arguments], cwd=self.root,
                              capture_output=True, text=True, check=False)
        return done.returncode, done.stdout + done.stderr

    def filled(self, brace):
        """What a brace becomes in a line of the README."""
        self.write("README.md", f"x <!-- from results/t.csv: {brace} -->?<!-- end --> y\n")
        code, said = self.run_it()
        self.assertEqual((code, said), (0, "README.md: filled\n"))
        return self.read("README.md").split("-->")[1].split("<!--")[0]

    def fault(self, text):
        """The line that `--check` says of a README."""
        self.write("README.md", text)
        code, said = self.run_it("--check")
        self.assertEqual(code, 1, said)
        return said

    def test_a_document_that_agrees_passes_and_is_not_touched(self):
        self.assertEqual(self.run_it("--check"), (0, ""))
        before = self.read("README.md")
        self.assertEqual(self.run_it(), (0, ""))
        self.assertEqual(self.read("README.md"), before)

    def test_a_number_changed_by_hand_is_found_and_put_right(self):
        said = self.fault(f"{INLINE.replace('>450 MB/s<', '>451 MB/s<')}\n\n{BLOCK}")
        self.assertIn("README.md:1: has '451 MB/s', results/t.csv says '450 MB/s'", said)
        self.assertEqual(self.run_it()[0], 0)
        self.assertEqual(self.read("README.md"), f"{INLINE}\n\n{BLOCK}")

    def test_a_result_that_changed_is_found_in_every_place(self):
        self.write("results/t.csv", TABLE.replace("449906284", "500000000"))
        code, said = self.run_it("--check")
        self.assertEqual((code, said.count("says")), (1, 2), said)

    def test_a_row_added_to_a_generated_table_by_hand_is_found(self):
        self.assertIn("README.md:", self.fault(BLOCK.replace("| cores | 2 |\n<", "| cores | 2 |\n| me | 9 |\n<")))

    def test_sources_rows_columns_and_cells_that_are_not_there_are_named(self):
        cases = {
            "results/u.csv: {rate}": "results/u.csv: no such file",
            "results: {u.csv rate}": "results/u.csv: no such file",
            "results/t.csv: {tool=ftp rate}": "results/t.csv: no row with tool=ftp",
            "results/t.csv: {tool=ftp count}": "results/t.csv: no row with tool=ftp",
            "results/t.csv: {tool=scp rate}": "results/t.csv: 2 rows with tool=scp, not one",
            "results/t.csv: {tool=rsync rate}": "results/t.csv: nothing in rate",
            "results/t.csv: {tool=scp speed}": "results/t.csv: no column speed",
            "results/t.csv: {maker=me rate}": "results/t.csv: no column maker",
            "results/t.csv: {tool=nginx tool /2}": "is 'nginx', not a number",
            "results/t.csv: {tool=nginx rate twice}": "'twice' is no arithmetic and no format",
            "results/manifest.json: {machine.cpu}": "results/manifest.json: no machine.cpu",
        }
        for marker, said in cases.items():
            with self.subTest(marker):
                found = self.fault(f"a\nb <!-- from {marker} -->1<!-- end -->\n")
                self.assertTrue(found.startswith("numbers.py: README.md:2: "), found)
                self.assertIn(said, found)

    def test_a_marker_without_its_other_end_is_found(self):
        self.assertIn("README.md:1: a marker without", self.fault("x <!-- from results/t.csv: {count} -->4\n"))
        self.assertIn("README.md:2: a marker without", self.fault("x\n4<!-- end -->\n"))

    def test_aggregates_arithmetic_and_formats_are_what_they_say(self):
        cases = {
            "{count}": "4",
            "{content=big count}": "3",
            "{tool!=scp count}": "2",
            "{tool~^(scp|nginx)$ count}": "3",
            "{tool=nginx content=small count}": "0",
            "{max(rate) ,.0f}": "680,847,602",
            "{content=big list(tool)}": "scp, nginx, rsync",
            "{list(content)}": "big, small",
            "{tool=scp min(rate) .1f}": "12.0",
            "{tool=scp mean(cpu)}": "3.45",
            "{tool=scp sum(cpu) .2f}": "6.90",
            "{worst(cpu) .2f}": "3.90",
            "{tool=nginx worst(cpu) .2f}": "1.48",
            "{tool=nginx cpu +.1f}": "-1.5",
            "{tool=scp content=big rate *8e-6 ,.0f}": "3,599",
            "{tool=scp content=small rate /cpu .1f}": "4.0",
            "{tool=scp content=small rate -2 /5 +1}": "3",
            "{tool=scp content=big rate 2}": "449,906,284",
            "{tool=nginx content .1s}": "b",
            "{tool=scp content=small cpu *0.3332 3}": "1.00",
            "{tool=scp content=small cpu *0 3}": "0",
        }
        for brace, want in cases.items():
            with self.subTest(brace):
                self.assertEqual(self.filled(brace), want)

    def test_a_whole_text_file_can_stand_in_a_document(self):
        self.write("results/overview.txt", "fifo  1 ±0.1\ndrr   2\n")
        self.write("README.md", "<!-- from results/overview.txt\n```\n{text}\n```\n-->\n<!-- end -->\n")
        self.assertEqual(self.run_it()[0], 0)
        self.assertIn("-->\n```\nfifo  1 ±0.1\ndrr   2\n```\n<!-- end -->", self.read("README.md"))
        self.assertEqual(self.run_it("--check"), (0, ""))

    def test_a_part_of_a_text_file_can_stand_in_a_document(self):
        self.write("results/overview.txt", "fifo  1\ndrr   2\n\nfifo is slow\n\n\n")
        self.write("README.md", "<!-- from results/overview.txt\n{part 2}\n-->\n<!-- end -->\n")
        self.assertEqual(self.run_it()[0], 0)
        self.assertIn("-->\nfifo is slow\n<!-- end -->", self.read("README.md"))
        self.assertIn("has 2 parts, no part 3", self.fault(self.read("README.md").replace("part 2", "part 3")))

    def test_a_measured_number_outside_of_a_marker_is_found(self):
        for text in ("takes 24 ns", "is 1.10 of it", "| a | 1.63 |\n| - | - |\n", "moves 1,008 MB", "97 % of it",
                     "2\ntimes", "450 Mbit/s", "```\nfifo 2.14 ±0.03\n```\n", "takes 3 s,", "113 rows"):
            with self.subTest(text):
                self.assertIn("outside of a marker", self.fault(text + "\n"))

    def test_names_counts_code_and_links_are_no_measured_numbers(self):
        self.write("README.md", "weights 1 : 2 : 4, ten of 12, p99, sha256, `rate = 1.5 MB/s`, 0007\n"
                   "[a](x-1.5.md), port 7440, v1.2.3, Ed25519, step 2.\n```\n$ sleep 1.5 s\n```\n")
        self.assertEqual(self.run_it("--check"), (0, ""))

    def test_an_exception_holds_for_its_phrase_and_goes_with_it(self):
        self.write("docs/numbers-allowed.txt", "README.md | the burst is 15 ms | a default\n")
        self.write("README.md", "the burst\nis 15 ms, no more\n")
        self.assertEqual(self.run_it("--check"), (0, ""))
        self.assertIn("has no 'the burst is 15 ms' any more", self.fault("nothing\n"))
        self.assertIn("'15 ms'", self.fault("the burst is 15 ms, the wait 15 ms\n"))
        self.write("docs/numbers-allowed.txt", "README.md | 15 ms\n")
        self.assertIn("must be DOCUMENT | PHRASE | REASON", self.run_it("--check")[1])

    def test_a_page_of_constants_may_be_left_out_as_a_whole_and_no_other(self):
        self.write("docs/numbers-allowed.txt", "docs/limits.md | * | constants\n")
        self.write("docs/limits.md", "at most 64 KiB in 20 s\n")
        self.write("README.md", "nothing\n")
        self.assertEqual(self.run_it("--check"), (0, ""))
        self.assertIn("'20 s'", self.fault("at most 20 s\n"))

    def test_a_decision_page_may_say_of_which_commit_its_figures_are(self):
        page = "docs/decisions/0001-x.md"
        self.write(page, "It takes 1.5 s.\n")
        self.assertIn("0001-x.md:1: '1.5 s' is outside", self.run_it("--check")[1])
        self.write(page, "It takes 1.5 s.\n\nFigures as of commit `0123abc`.\n")
        self.assertEqual(self.run_it("--check"), (0, ""))
        self.assertIn("README.md:1", self.fault("It takes 1.5 s. Figures as of commit `0123abc`.\n"))

    def test_a_page_that_names_a_commit_which_is_none_is_found(self):
        self.write("docs/decisions/0001-x.md", "1.5 s\n\nFigures as of commit `0123abc`.\n")
        self.git("init", "-q")
        self.assertIn("0001-x.md:3: no commit 0123abc", self.run_it("--check")[1])

    def test_a_page_can_be_marked_with_the_commit_that_changed_it_last(self):
        page = "docs/decisions/0001-x.md"
        self.write(page, "It takes 1.5 s.\n")
        self.assertEqual(self.run_it("--history", page)[0], 1)
        self.git("init", "-q")
        self.commit()
        self.assertEqual(self.run_it("--history", page)[0], 0)
        self.assertRegex(self.read(page), r"^It takes 1.5 s.\n\nFigures as of commit `[0-9a-f]{7,}`.\n$")
        self.assertEqual(self.run_it("--check"), (0, ""))
        self.assertEqual(self.run_it("--history", page), (0, ""))
        self.assertEqual(self.run_it("--history", "README.md")[0], 1)

    def test_a_page_that_names_a_commit_which_was_replaced_is_found(self):
        page = "docs/decisions/0001-x.md"
        self.write(page, "It takes 1.5 s.\n")
        self.git("init", "-q")
        self.commit()
        self.assertEqual(self.run_it("--history", page)[0], 0)
        self.commit("--amend", "-m", "y")
        self.assertIn("in the history of this one", self.run_it("--check")[1])

    def test_a_result_of_a_commit_that_was_replaced_is_found(self):
        self.write("README.md", "Nothing.\n")
        self.git("init", "-q")
        self.commit()
        head = self.git("rev-parse", "HEAD")
        (self.root / "results/x").mkdir()
        self.write("results/x/manifest.json", json.dumps({"commit": head}))
        self.assertEqual(self.run_it("--check"), (0, ""))
        self.commit("--amend", "-m", "y")
        self.assertIn(f"results/x/manifest.json: no commit {head[:12]}", self.run_it("--check")[1])

    def test_a_line_that_begins_with_a_marker_is_refused(self):
        self.assertIn("must not begin", self.fault("<!-- from results/t.csv: {count} -->4<!-- end --> rows\n"))

    def test_usage_is_told_apart_from_differences(self):
        self.assertEqual(self.run_it("--chekc")[0], 2)


if __name__ == "__main__":
    unittest.main()
