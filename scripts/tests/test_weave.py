"""Edits that share one program: which text each of them is in, and which cannot share one."""

import pathlib
import sys
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import weave  # noqa: E402

SOURCE = """\
const MOST: u32 = 2 * 3;

impl Shape {
    /// Not the fn area that it looks like.
    pub const fn area(&self) -> u32 {
        self.a * self.b
    }

    fn sides(&self) -> impl Iterator<Item = u32> {
        [self.a + 1].into_iter()
    }

    fn twice([a, b]: [u32; 2], with: Pair { c, d }) -> u32 {
        if a < b { c } else { d }
    }
}
"""


def edit(number, find, put):
    """An edit of the first place where a text stands."""
    first = SOURCE.index(find)
    at = (first, first + len(find))
    return weave.Edit(number, "a.rs", at, put, weave.around(SOURCE, at))


class Weave(unittest.TestCase):
    """One source, and edits of it."""

    def test_each_edit_has_an_arm_and_everybody_else_the_body_as_it_was(self):
        text, lines, slow = weave.weave(SOURCE, [edit(1, "a < b", "a <= b"), edit(2, "{ d }", "{ c }")])
        self.assertEqual(slow, [])
        arms = text[text.index("fn twice"):]
        self.assertIn("match crate::mutant()", arms)
        self.assertIn("1 => {\n        if a <= b { c } else { d }", arms)
        self.assertIn("2 => {\n        if a < b { c } else { c }", arms)
        self.assertIn("_ => {\n        if a < b { c } else { d }", arms)
        rows = text.splitlines()
        for number, words in ((1, "a <= b"), (2, "else { c }")):
            first, last = lines[number]
            self.assertTrue(any(words in row for row in rows[first - 1:last]))
        self.assertEqual(text.count("fn "), SOURCE.count("fn "))

    def test_a_source_without_edits_stays_as_it_is(self):
        self.assertEqual(weave.weave(SOURCE, []), (SOURCE, {}, []))

    def test_a_function_is_constant_only_where_that_is_needed(self):
        found = edit(1, "self.a * self.b", "0")
        text, _, slow = weave.weave(SOURCE, [found])
        self.assertEqual(slow, [])
        self.assertIn("    pub fn area(&self)", text)
        self.assertEqual(weave.weave(SOURCE, [found], {"area"}), (SOURCE, {}, [found]))

    def test_what_no_run_can_choose_comes_alone(self):
        constant, unnamed = edit(1, "2 * 3", "2 + 3"), edit(2, "+ 1", "- 1")
        head = edit(3, "with: Pair", "with: Twin")
        _, _, slow = weave.weave(SOURCE, [constant, unnamed, head])
        self.assertEqual({one.number for one in slow}, {1, 2, 3})

    def test_an_error_belongs_to_the_edit_in_whose_lines_it_is(self):
        lines = {"a.rs": {1: (5, 7), 2: (8, 9)}}
        self.assertEqual(weave.concerned({"places": [("a.rs", 8)]}, lines), {2})
        self.assertEqual(weave.concerned({"places": [("a.rs", 4), ("b.rs", 5)]}, lines), set())

    def test_the_innermost_function_is_the_one_around(self):
        self.assertEqual(weave.around(SOURCE, edit(1, "a < b", "a <= b").at)[1], "twice")
        self.assertIsNone(weave.around(SOURCE, (0, 5)))


if __name__ == "__main__":
    unittest.main()
