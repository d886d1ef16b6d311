#!/usr/bin/env python3
"""Which policy leaks how much to which adversary, in both worlds, as Markdown in DIR/ranking.md.

Usage: ranking.py DIR COMMAND. DIR is a folder of one scenario that has a [deviation], as worlds.sh
leaves it: simulated/runs.csv and emulated/runs.csv. Leak is what a deviant got from other leechers
beyond what it gave them, gain the ratio of its mean goodput to that of the twin run in which it
complies. Cells are ranked by their means; two cells are called apart where the 95 % interval of
the difference of their replications leaves out 0.
"""

import csv
import itertools
import json
import math
import pathlib
import sys

GOODPUT, LEAK = "deviant_goodput_bytes_per_s", "deviant_leak_of_others_bytes"
WORLDS = ("simulated", "emulated")
# Two-sided 95 % quantiles of Student's t, by degrees of freedom.
T95 = (0, 12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


def average(values):
    """Their mean."""
    return math.fsum(values) / len(values)


def interval(values):
    """Mean and half of the 95 % interval; none of one value."""
    mean, count = average(values), len(values)
    if count < 2:
        return mean, math.nan
    variance = math.fsum((value - mean) ** 2 for value in values) / (count - 1)
    return mean, T95[min(count, len(T95)) - 1] * math.sqrt(variance / count)


def cells_of(path):
    """Leaks in MB and gains of each (policy, behaviour), by replication."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    behaviour = next(name for name in rows[0] if name.endswith(".behaviour"))
    policy = next(name for name in rows[0] if name.startswith("policy"))
    runs = {(row[policy], row[behaviour], row["replication"]): row for row in rows}
    leaks, gains = {}, {}
    for (name, deviates, replication), row in runs.items():
        twin = runs.get((name, "compliant", replication))
        if deviates == "compliant" or twin is None:
            continue
        cell = (name, deviates)
        leaks.setdefault(cell, []).append(float(row[LEAK]) / 1e6)
        gains.setdefault(cell, []).append(float(row[GOODPUT]) / float(twin[GOODPUT]))
    return leaks, gains


def order(values):
    """Cells by falling mean."""
    return sorted(values, key=lambda cell: -average(values[cell]))


def number(pair):
    """A mean with half of its interval."""
    mean, half = pair
    if math.isnan(half):
        return f"{mean:.2f}"
    # No interval is printed as 0 that is not: two digits of a small one, and of none a word.
    shown = f"{half:.2f}" if half >= 0.005 else f"{half:.1g}"
    return f"{mean:.2f} ± {shown}" if half > 0 else f"{mean:.2f} (identical)"


def apart(values, one, other):
    """1 if one is above the other by more than chance, -1 if below, 0 if that is open."""
    differences = [a - b for a, b in zip(values[one], values[other])]
    mean, half = interval(differences)
    if math.isnan(half) or abs(mean) <= half:
        return 0
    return 1 if mean > 0 else -1


def verdict(what, worlds):
    """Whether both worlds have the same ranking of `what`, and which pairs they disagree about."""
    ranks = [order(world) for world in worlds]
    if ranks[0] == ranks[1]:
        said = f"The order of means by {what} is the same in both worlds."
    else:
        said = f"The order of means by {what} is **not the same** in both worlds."
    pairs = list(itertools.combinations(ranks[0], 2))
    sides = [tuple(apart(world, *pair) for world in worlds) for pair in pairs]
    same = sum(one == other != 0 for one, other in sides)
    against = sum(one == -other != 0 for one, other in sides)
    return (
        f"{said} Of {len(pairs)} pairs of cells {same} are surely apart in both worlds and in the same "
        f"direction, {against} in opposite ones; of {len(pairs) - same - against} one world or both "
        f"cannot tell which is above."
    )


def main(folder, command):
    """Writes and prints the page."""
    folder = pathlib.Path(folder)
    both = [cells_of(folder / world / "runs.csv") for world in WORLDS]
    leaks, gains = [world[0] for world in both], [world[1] for world in both]
    titles = ["policy", "adversary", "leak of others, simulated", "emulated", "rank",
              "gain, simulated", "emulated", "rank"]
    lines = ["| " + " | ".join(titles) + " |", "| " + " | ".join(["---"] * len(titles)) + " |"]
    for cell in order(leaks[0]):
        row = list(cell)
        for kind, unit in ((leaks, " MB"), (gains, "")):
            row += [number(interval(world[cell])) + unit for world in kind]
            row.append(", ".join(str(order(world).index(cell) + 1) for world in kind))
        lines.append("| " + " | ".join(row) + " |")
    manifest = folder / "emulated" / "manifest.json"
    facts = json.loads(manifest.read_text(encoding="utf-8"))
    count = len(next(iter(leaks[0].values()))), len(next(iter(leaks[1].values())))
    text = "\n".join(lines)
    text += f"\n\n{verdict('leak', leaks)}\n\n{verdict('gain', gains)}\n\n"
    text += f"Means and 95 % intervals of {count[0]} replications simulated and {count[1]} "
    text += f"emulated. Made by `{command.strip()}`, commit {facts['commit'][:12]}, "
    text += f"{facts['machine']['cpu']}, {facts['machine']['cores']} cores, of which at most "
    text += f"{float(facts['emulated']['machine_cpu_pct']):.0f} % were used.\n"
    if not facts["emulated"]["trustworthy"]:
        text += "\n**The machine was too busy: the emulated half is a hint and no result.**\n"
    (folder / "ranking.md").write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
