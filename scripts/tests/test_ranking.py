"""Tests of scripts/ranking.py: which cells are apart, and whether two rankings are the same."""

import contextlib
import io
import json
import pathlib
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import ranking  # noqa: E402

HEAD = ("policy.unchoke,class.x.behaviour,replication,deviant_goodput_bytes_per_s,"
        "deviant_leak_of_others_bytes\n")


def runs(leaks):
    """A table in which compliant deviants have 100 B/s and others 50, and leak so many MB."""
    text = HEAD
    for (policy, behaviour), values in leaks.items():
        for replication, leak in enumerate(values):
            text += f"{policy},compliant,{replication},100,0\n"
            text += f"{policy},{behaviour},{replication},50,{leak * 1e6}\n"
    return text


class Ranking(unittest.TestCase):
    """Two cells, a and b, in two worlds."""

    def page(self, simulated, emulated, trustworthy=True):
        """The page of two worlds."""
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            for world, leaks in (("simulated", simulated), ("emulated", emulated)):
                (folder / world).mkdir()
                (folder / world / "runs.csv").write_text(runs(leaks), encoding="utf-8")
            facts = {"commit": "0" * 40, "machine": {"cpu": "c", "cores": 2},
                     "emulated": {"machine_cpu_pct": "30", "trustworthy": trustworthy}}
            (folder / "emulated" / "manifest.json").write_text(json.dumps(facts), encoding="utf-8")
            with contextlib.redirect_stdout(io.StringIO()):
                ranking.main(folder, "command")
            return (folder / "ranking.md").read_text(encoding="utf-8")

    def test_the_same_order_is_said_to_be_the_same(self):
        """a leaks more in both."""
        cells = {("p", "a"): [3, 3.1, 3.2], ("q", "b"): [1, 1.1, 0.9]}
        page = self.page(cells, {cell: [v + 1 for v in values] for cell, values in cells.items()})
        self.assertIn("The order of means by leak is the same in both worlds. Of 1 pairs of cells 1 are "
                      "surely apart in both worlds and in the same direction, 0 in opposite", page)
        self.assertIn("| p | a | 3.10 ± 0.25 MB | 4.10 ± 0.25 MB | 1, 1 | 0.50 (identical) |", page)

    def test_another_order_is_said_to_be_another(self):
        """a leaks more in one and less in the other."""
        page = self.page({("p", "a"): [3, 3.1, 3.2], ("q", "b"): [1, 1.1, 0.9]},
                         {("p", "a"): [1, 1.1, 0.9], ("q", "b"): [3, 3.1, 3.2]}, False)
        self.assertIn("The order of means by leak is **not the same** in both worlds. Of 1 pairs of cells "
                      "0 are surely apart in both worlds and in the same direction, 1 in opposite", page)
        self.assertIn("too busy", page)

    def test_what_chance_can_do_is_no_difference(self):
        """The intervals of the differences contain 0."""
        values = {"one": [1.0, 3.0, 2.0], "other": [2.0, 1.5, 2.2]}
        self.assertEqual(ranking.apart(values, "one", "other"), 0)
        values = {"one": [3.0, 3.0], "other": [1.0, 1.0]}
        self.assertEqual(ranking.apart(values, "other", "one"), -1)


if __name__ == "__main__":
    unittest.main()
