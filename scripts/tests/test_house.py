"""What house.py counts, on a tree of a few lines; and the ceilings of this tree."""

import pathlib
import sys
import tempfile
import unittest

SCRIPTS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(SCRIPTS))

import house  # noqa: E402

CODE = """//! A header { that is no code.
/* nested /* comments */ { */
#[cfg(test)]
mod only;

pub struct Thing {
    text: &'static str,
}

impl Thing {
    /// Documented, and no why.
    pub fn brace(&self) -> char {
        // This says why: "}" is no end.
        let open = "{ // no comment";
        '{'
    }

    fn other<'a>(self: &'a Self) -> &'a str { self.text }
}

impl Drop for Thing {
    fn drop(&mut self) {}
}

#[cfg(test)]
mod tests {
    fn test() {
        check();
    }
}
"""


class Lines(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def measure(self, files):
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return house.House(self.root)

    def test_code_tests_and_comments_are_told_apart(self):
        found = self.measure(
            {
                "simulator/src/lib.rs": CODE,
                "simulator/src/only.rs": "fn only() {}\n",
                "simulator/src/only/more.rs": "fn more() {}\n",
                "simulator/tests/all.rs": "fn all() {}\n",
            }
        )
        self.assertEqual(found.crates["simulator"], 15)
        self.assertEqual(found.tests["simulator"], 9)
        self.assertEqual(found.why["simulator"], 1)

    def test_methods_are_those_of_inherent_impls(self):
        found = self.measure({"engine/src/lib.rs": CODE, "engine/src/b.rs": "impl Thing {\nfn c() {}\n}\n"})
        self.assertEqual(found.methods["engine::Thing"][0], 3)
        self.assertEqual(len(found.methods["engine::Thing"][1]), 2)

    def test_a_name_that_two_crates_define_is_counted(self):
        found = self.measure({"engine/src/lib.rs": CODE, "simulator/src/lib.rs": CODE})
        self.assertEqual(found.names["Thing"], 2)

    def test_files_that_name_or_call_each_other_are_a_circle(self):
        found = self.measure(
            {
                "engine/src/node/mod.rs": "mod a;\nmod b;\nmod c;\nuse a::{A, more::{self, B}};\n",
                "engine/src/node/a.rs": "use super::b::B;\nimpl A {\nfn one(&self) {}\n}\n",
                "engine/src/node/b.rs": "use crate::node::c;\nimpl B {\nfn b(&self) {}\n}\n",
                "engine/src/node/c.rs": "use super::a::A;\nimpl B {\nfn c(&self) { self.b(); }\n}\n",
                "engine/src/node/d.rs": "use super::a::A;\nimpl A {\nfn two(&self) { self.one(); }\n}\n",
                "engine/src/node/tests.rs": "use super::d;\nuse super::a;\n",
            }
        )
        files, product, tests = found.folders["engine/src/node"]
        self.assertEqual((house.circle(files), product, tests), (3, 20, 2))
        self.assertNotIn(pathlib.Path("node/tests.rs"), files)

    def test_what_is_above_its_ceiling_or_has_none_is_named(self):
        found = self.measure({"engine/src/lib.rs": CODE})
        limits = {"product_lines": 1, "moons": 3, "tests_over_product_percent": 100}
        faults = [*house.ceilings(found, limits)]
        self.assertIn("product_lines: 15; allowed 1", faults)
        self.assertIn("methods_of_a_type: 2, and scripts/house.toml has no ceiling", faults)
        self.assertIn("scripts/house.toml: moons: is no measure", faults)
        self.assertIn("tests_over_product_percent: 40; at least 100", faults)


if __name__ == "__main__":
    unittest.main()
