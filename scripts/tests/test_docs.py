"""Planted faults: docs.py must name each, with the page; and the documents of this tree have none."""

import pathlib
import subprocess
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SCRIPTS))

import docs  # noqa: E402

PROGRAM = """#!/bin/sh
[ "$2" = --help ] && { [ "$1" = deploy ] || exit 2; echo "  --inventory  the machines"; exit 0; }
[ "$1" = good ]
"""


class Documents(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.addCleanup(self.folder.cleanup)
        self.root = pathlib.Path(self.folder.name)
        (self.root / "docs").mkdir()
        (self.root / "experiments").mkdir()
        self.write("docs/SUMMARY.md", "- [P](page.md)\n")
        self.write("docs/page.md", "# A `b`: c\n")
        self.lab = self.root / "bin/fairlab"
        for name in ("fairlab", "fairlab-emulate"):
            self.write(f"bin/{name}", PROGRAM)
            (self.root / "bin" / name).chmod(0o755)

    def write(self, name, text):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def test_links_of_this_tree_lead_somewhere(self):
        self.assertEqual([*docs.links(SCRIPTS.parent)], [])

    def test_a_link_to_what_is_not_there_is_named_with_its_line(self):
        self.write("README.md", "x\n\n[a](docs/page.md#a-b-c) [b](docs/none.md) [c](docs/page.md#z)\n")
        self.assertEqual(
            [*docs.links(self.root)],
            ["README.md:3: docs/none.md: no such file", "README.md:3: docs/page.md#z: no such heading"],
        )

    def test_links_of_blocks_and_of_other_hosts_are_none(self):
        self.write("README.md", "```\n[a](none)\n```\n[b](https://example.org/none)\n")
        self.assertEqual([*docs.links(self.root)], [])

    def test_a_readme_that_nobody_reads_to_its_end_is_named(self):
        shown = "\n```\n" + "much " * 2000 + "\n```\n<!-- " + "more " * 2000 + "-->\n"
        self.write("README.md", "word " * 900 + shown)
        self.assertEqual([*docs.links(self.root)], [])
        self.write("README.md", "word " * 901 + shown)
        self.assertEqual([*docs.links(self.root)], ["README.md: 901 words, allowed are 900"])

    def test_the_page_of_tables_describes_those_of_this_tree(self):
        self.assertEqual([*docs.tables(SCRIPTS.parent)], [])

    def test_a_column_that_only_the_page_or_only_a_result_has_is_named(self):
        head = f"{docs.COLUMNS}\n| --- | --- | --- |\n"
        self.write(docs.TABLES, (
            f"## Keys\n\n{head}| `run` | – | a |\n| `cell` | – | b |\n\n"
            f"## `runs.csv`\n\n{head}| `trace_digest` | – | c |\n| `wait_s` * | s | d |\n"
            "| `least_Ns.CLASS`, `gone_s` | s | e |\n\n| word | meaning |\n| --- | --- |\n| `no` | f |\n\n"
            f"## `pairs.csv`\n\n{head}| `bytes` | bytes | g |\n"
        ))
        self.write("results/a/manifest.json", '{"format": "fairlab result 1", "world": "simulated"}')
        self.write("results/a/runs.csv", "run,cell,policy.uplink,trace_digest,wait_s,wait_s.bulk,least_0.1s.x,new_s.x\n")
        self.write("results/b/manifest.json", '{"format": "fairlab result 1", "world": "measured"}')
        self.write("results/b/speed.csv", "case,ns\n")
        self.assertEqual([*docs.tables(self.root)], [
            f"{docs.TABLES}: runs.csv has no column new_s, which results/a/runs.csv has",
            f"{docs.TABLES}: runs.csv has a column gone_s, which no table in results/ has",
        ])
        self.write("results/a/pairs.csv", "run,cell,policy.uplink,bytes\n")
        self.assertIn(
            f"{docs.TABLES}: pairs.csv is in results/, and scripts/docs.py says that it is not",
            [*docs.tables(self.root)],
        )

    def test_a_page_outside_of_the_summary_is_named(self):
        self.write("docs/lost.md", "# lost\n")
        self.assertEqual([*docs.links(self.root)], ["docs/SUMMARY.md: docs/lost.md is not in it"])

    def test_a_command_of_the_tutorial_that_fails_is_named(self):
        text = "```toml\nx = 1\n```\n```\ncargo run --release -- good\ncargo run --release -- bad\nls\n```\n"
        self.write("docs/tutorial.md", text)
        self.assertEqual(
            [*docs.commands(self.root, self.lab)],
            [
                "docs/tutorial.md: cargo run --release -- bad: ended with 1: ",
                "docs/tutorial.md: ls: not a command that this check can run",
            ],
        )

    def test_what_a_guide_shows_has_to_be_there(self):
        self.write("deploy/up.sh", "--count\n")
        (self.root / "deploy/up.sh").chmod(0o755)
        self.write("docs/tutorial.md", "")
        lines = [
            "$ deploy/up.sh 3 --count",
            "$ deploy/up.sh --gone",
            "$ deploy/none.sh && cd x",
            "$ fairlab deploy x --inventory y \\\n    --moon z",
            "$ fairlab fly",
        ]
        self.write("docs/guide-x.md", "```\n" + "\n".join(lines) + "\nwhat it prints\n```\n")
        faults = [fault.rsplit(": ", 1)[1] for fault in docs.commands(self.root, self.lab)]
        self.assertEqual(
            faults,
            [
                "deploy/up.sh has no option --gone",
                "no program deploy/none.sh",
                "fairlab has no option --moon",
                "fairlab has no command fly",
            ],
        )

    def readme(self, *lines):
        """Faults of a README whose block has these lines, in a tree that has a commit."""
        self.write("README.md", "```\n" + "\n".join(lines) + "\n```\n\n```\npolicy  greedy\n```\n")
        git = ["git", "-c", "user.name=x", "-c", "user.email=x@example.org", "-C", str(self.root)]
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
            subprocess.run([*git, *words], check=True)
        with tempfile.TemporaryDirectory() as folder:
            return [*docs.readme(self.root, self.lab, pathlib.Path(folder))]

    def program(self, name, text):
        self.write(f"bin/{name}", f"#!/bin/sh\n{text}\n")
        (self.root / "bin" / name).chmod(0o755)

    def test_what_the_readme_installs_and_shows_has_to_be_so(self):
        self.program("fairlab", "echo another table")
        self.assertEqual(
            self.readme("$ cargo install --path none", "$ cargo run --release   # soon", "$ deploy/none.sh 3"),
            [
                "README.md: cargo install --path none: no package there",
                "README.md: cargo run --release: prints another table than README shows",
                "README.md: deploy/none.sh 3: no program deploy/none.sh",
            ],
        )

    def test_the_readmes_two_commands_carry_the_file_that_it_names(self):
        send = 'echo "$2, 3.0 MB; type this"; echo fairhaul get fhs1-abc; while [ ! -e got ]; do sleep 0.01; done'
        get = 'cp ../clone/holiday.mp4 . ; touch ../clone/got; [ "$2" = fhs1-abc ]'
        self.program("fairhaul", f'if [ "$1" = send ]; then {send}; else {get}; fi')
        lines = ["$ fairhaul send holiday.mp4", "holiday.mp4, 1.2 GB; type this", "fairhaul get fhs1-…"]
        self.assertEqual(self.readme(*lines, "$ fairhaul get fhs1-…"), [])
        lines[1] = "holiday.mp4, 1.2 GB; say this"
        said = "prints ['holiday.mp4, 3.0 MB; type this', 'fairhaul get fhs1-abc']"
        self.assertEqual(
            self.readme(*lines, "$ fairhaul get fhs1-…"), [f"README.md: fairhaul send holiday.mp4: {said}"]
        )


if __name__ == "__main__":
    unittest.main()
