"""A report of mutants must be of the code that is there, and each survivor must have a reason."""

import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import faults  # noqa: E402
import mutants  # noqa: E402

SOURCE = "//! What it is.\n\nfn f() -> u32 {\n    1 // one\n}\n\n#[cfg(test)]\nmod tests {\n    fn t() {}\n}\n"
LIVES = ("a.rs", "replace f -> u32 with 0", "1")


class Mutants(unittest.TestCase):
    """A tree with one file, and a report of it."""

    def setUp(self):
        scratch = tempfile.TemporaryDirectory()
        self.addCleanup(scratch.cleanup)
        self.root = pathlib.Path(scratch.name)
        self.write(SOURCE)
        self.table = {"module": [{"name": "a", "files": ["a.rs"]}], "behind": [], "survivor": []}
        counts = dict.fromkeys(mutants.COLUMNS[3:], "0")
        self.report = {"a.rs": {"module": "a", "file": "a.rs", "code": mutants.code(SOURCE), **counts}}

    def write(self, text):
        (self.root / "a.rs").write_text(text, encoding="utf-8")

    def reason(self):
        self.table["survivor"] = [dict(zip(("file", "mutant", "line"), LIVES), reason="none can")]

    def check(self, lives=()):
        mutants.check(self.table, self.report, set(lives), self.root)

    def refused(self, word, lives=()):
        with self.assertRaisesRegex(mutants.Behind, word):
            self.check(lives)

    def test_comments_tests_and_layout_are_no_code(self):
        self.write("//! Another word.\n" + SOURCE.replace("fn t() {}", "fn u() {}").replace("    1", "  1"))
        self.check()

    def test_changed_code_is_behind_until_it_is_noted(self):
        self.write(SOURCE.replace("1 //", "2 //"))
        self.refused("a.rs: its code has changed")
        self.table["behind"] = ["a.rs"]
        self.check()

    def test_code_after_the_tests_of_another_module_counts(self):
        text = SOURCE + "\nfn g() {}\n"
        more = text.replace("mod tests {", "mod laws;\n\nmod more {")
        self.assertNotEqual(mutants.code(more), mutants.code(more.replace("fn g", "fn h")))

    def test_a_note_of_what_is_not_behind_is_refused(self):
        self.table["behind"] = ["a.rs"]
        self.refused("is not behind")

    def test_a_file_that_is_gone_or_unknown_is_refused(self):
        self.report["b.rs"] = self.report["a.rs"]
        self.refused("b.rs: is in no module")
        del self.report["b.rs"]
        (self.root / "a.rs").unlink()
        self.refused("a.rs: is not there")

    def test_a_survivor_needs_a_reason_and_a_reason_a_survivor(self):
        self.refused("gives no reason", [LIVES])
        self.reason()
        self.check([LIVES])
        self.refused("does not live")

    def test_of_a_file_that_is_behind_survivors_are_not_asked_for(self):
        self.write(SOURCE.replace("1 //", "2 //"))
        self.table["behind"] = ["a.rs"]
        self.reason()
        self.check()


class Faults(unittest.TestCase):
    """A table of faults that were tried."""

    FAULT = {"name": "n", "shows": [], "file": "a.rs", "find": "x", "put": "y", "package": "p",
             "target": "lib", "test": "t"}

    def test_a_fault_that_was_changed_counts_as_not_tried(self):
        rows = {"n": ["n", faults.edit(self.FAULT), "", "a.rs", "t", "caught"]}
        self.assertEqual(faults.untried([self.FAULT], rows), set())
        self.assertEqual(faults.untried([{**self.FAULT, "put": "z"}], rows), {"n"})
        self.assertEqual(faults.untried([self.FAULT], {}), {"n"})


if __name__ == "__main__":
    unittest.main()
