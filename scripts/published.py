#!/usr/bin/env python3
"""Writes docs/published.md: what each published experiment claims, beside what was found.

Usage: published.py [--check]

The words are those of experiments/scenarios/published/*.toml; each row of a table is a row of the
claims.csv of its result in results/published/NAME, as a template that scripts/numbers.py fills.
A scenario without a result there is listed as one that waits for it. What NAME.md beside a scenario
says follows, with its markers if there is a result.

With --check nothing is written: a page that has other words or rows is an error.

Exit codes: 0 all is as it should be, 1 the page is old, 2 usage.
"""

import csv
import pathlib
import re
import sys
import tomllib

PAGE = pathlib.Path("docs/published.md")
SCENARIOS = pathlib.Path("experiments/scenarios/published")
RESULTS = pathlib.Path("results/published")

HEAD = """# Published experiments

`fairlab reproduce NAME` runs a file of `experiments/scenarios/published` and says which claims hold; without a
name it lists them, `all` runs them all and the oracles behind them, and `--quick` is a first look with a tenth of the
replications. A claim holds in a cell of the sweep if the whole 95 % interval of its metric is on the right side of the
bound, fails if all of it is on the other, and is undecided where the interval crosses. A file says what was read of the
publication and what is assumed, because most setups were not at hand in full; the bounds of claims that were told in
words alone are ours. The tables below are filled from `results/published`; the page is made by `scripts/published.py`.
"""

# What stands in a marker, and what numbers.py makes of it.
FILLED = re.compile(r"(<!-- from \S+\n.*?\n-->).*?(<!-- end -->)", re.DOTALL)


def claimed(claim):
    """The metric and the bound of a claim, without the number of the bound."""
    per = f" / {claim['per']}" if "per" in claim else ""
    over = ", over " + " and ".join(claim["over"].values()) if claim.get("over") else ""
    sign = ">=" if "at-least" in claim else "<="
    return f"`{claim['metric']}{per}`{over} {sign}"


def row(claim, found):
    """A row of the table as a template."""
    where = f'claim={claim["name"]}'
    if found["cell"]:
        where += f' "cell={found["cell"]}"'
    value = f"{{claims.csv {where} value .3f}}" if found["value"] else "no run has it"
    if found["ci_lo"]:
        value += f" [{{claims.csv {where} ci_lo .3f}}, {{claims.csv {where} ci_hi .3f}}]"
    says = claim["says"].replace("|", "\\|")
    if found["cell"]:
        says += f" ({found['cell']})"
    bound = f"{claimed(claim)} {{claims.csv {where} bound .4g}}"
    return f"| {says} | {bound} | {value} | {{claims.csv {where} list(verdict)}} |"


def table(name, claims):
    """The table of a result."""
    with open(RESULTS / name / "claims.csv", newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    lines = ["| claim | claimed | found | |", "| --- | --- | --- | --- |"]
    for claim in claims:
        own = [row(claim, one) for one in found if one["claim"] == claim["name"]]
        lines += own or [f"| {claim['says']} | {claimed(claim)} | not judged yet | |"]
    template = "\n".join(lines)
    return f"<!-- from {RESULTS / name}\n{template}\n-->\n<!-- end -->\n\nTables and figures: `{RESULTS / name}`."


def section(path):
    """What the page says of a scenario."""
    scenario = tomllib.loads(path.read_text(encoding="utf-8"))
    about, said = scenario["scenario"]["about"], scenario["published"]
    words = f"Source: {said['source']}. Read: {said['read']}. Assumed: {said['assumed']}."
    if (RESULTS / path.stem / "claims.csv").exists():
        found = table(path.stem, scenario["claim"])
    else:
        claims = [f"- {claim['says']}" for claim in scenario["claim"]]
        found = "\n".join(["There is no committed result yet of what was claimed:", "", *claims])
    return f"## {said['id']}: {about}\n\n{words}\n\n{found}\n{note(path)}"


def note(path):
    """What stands beside a scenario, in more words."""
    beside = path.with_suffix(".md")
    if not beside.exists():
        return ""
    text = beside.read_text(encoding="utf-8")
    if not (RESULTS / path.stem / "runs.csv").exists():
        text = FILLED.sub("(no committed result yet)", text)
    return f"\n{text}"


def tally(paths):
    """How many rows of each table hold, as a template."""
    lines = ["| | | holds | fails | undecided |", "| --- | --- | --- | --- | --- |"]
    for path in paths:
        scenario = tomllib.loads(path.read_text(encoding="utf-8"))
        source = f"{path.stem}/claims.csv"
        with open(RESULTS / source, newline="", encoding="utf-8") as file:
            found = {one["verdict"] for one in csv.DictReader(file)}
        cells = [scenario["published"]["id"], scenario["scenario"]["about"]]
        for verdict in ("holds", "fails", "undecided"):
            cells.append(f"{{{source} verdict={verdict} count}}" if verdict in found else "0")
        lines.append("| " + " | ".join(cells) + " |")
    template = "\n".join(lines)
    return f"Of each experiment, how many rows of its table hold:\n\n<!-- from {RESULTS}\n{template}\n-->\n<!-- end -->\n"


def page():
    """The page with empty markers."""
    paths = sorted(SCENARIOS.glob("*.toml"))
    judged = [path for path in paths if (RESULTS / path.stem / "claims.csv").exists()]
    return "\n".join([HEAD, tally(judged), *(section(path) for path in paths)])


def emptied(text):
    """The page without what numbers.py has filled in."""
    return FILLED.sub(r"\1\n\2", text)


def main(words):
    """Writes or checks the page; the exit code."""
    if words not in ([], ["--check"]):
        print(__doc__, file=sys.stderr)
        return 2
    old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    new = page()
    if emptied(old) == new:
        return 0
    if words:
        print(f"{PAGE}: is old: run scripts/published.py, then scripts/numbers.py", file=sys.stderr)
        return 1
    # Tables that stay as they are keep their numbers.
    filled = {found.group(1): found.group(0) for found in FILLED.finditer(old)}
    new = FILLED.sub(lambda found: filled.get(found.group(1), found.group(0)), new)
    PAGE.write_text(new, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
