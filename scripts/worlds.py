"""The rows of DIR/worlds.csv that a reader wants, as Markdown in DIR/table.md.

Usage: worlds.py DIR COMMAND. Leaves out what is the same twice: mean sizes of errors where the
worst is shown, windows other than the shortest, and counts that agree.
"""

import csv
import json
import pathlib
import sys


def digits(value):
    """Three significant digits; empty stays empty."""
    if value == "":
        return ""
    number = float(value)
    size = abs(number)
    places = 3 if size < 1 else 2 if size < 10 else 1 if size < 100 else 0
    return f"{number:.{places}f}"


def error(row):
    """The error with half of its interval."""
    unit = {"points": " pp", "count": ""}.get(row["error_unit"], " " + row["error_unit"])
    text = f"{float(row['error']):+.1f}"
    if row["error_unit"] == "count":
        text = f"{float(row['error']):+.0f}"
    if row["ci_lo"]:
        text += f" ± {(float(row['ci_hi']) - float(row['ci_lo'])) / 2:.1f}"
    return text + unit


def wanted(row, shortest):
    """Whether the row is in the short table."""
    quantity = row["quantity"]
    if quantity == "finished":
        return row["verdict"] == "outside"
    if quantity.startswith(("share_abs_", "share_worst_")):
        window = quantity.rsplit("_", 1)[1]
        return window == shortest.get((row["scenario"], row["cell"]))
    return quantity != "completion_abs"


def shown(row):
    """A row of the table."""
    aim = {"points": " pp", "count": ""}.get(row["error_unit"], " " + row["error_unit"])
    verdict = row["verdict"] if row["verdict"] == "within" else f"**{row['verdict']}**"
    what = row["quantity"] + (f" ({row['item']})" if row["item"] else "")
    both = [digits(row[world]) for world in ("simulated", "emulated")]
    both = [f"{value} {row['unit']}" if value else "" for value in both]
    cell = "" if row["cell"] == "all" else row["cell"].replace("policy.", "")
    busy = row["machine_cpu_pct"]
    busy = f"{float(busy):.0f} %" if busy else ""
    if row["machine_cpu_pct"] and float(row["machine_cpu_pct"]) > 80:
        busy = f"**{busy}**"
    return [row["scenario"], cell, what, row["class"], *both, error(row), row["aim"] + aim,
            verdict, busy]


def main(folder, command):
    """Writes and prints the table."""
    folder = pathlib.Path(folder)
    with open(folder / "worlds.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    shortest = {}
    for row in rows:
        if row["quantity"].startswith("share_abs_"):
            key, window = (row["scenario"], row["cell"]), row["quantity"].rsplit("_", 1)[1]
            known = shortest.get(key)
            if known is None or float(window[:-1]) < float(known[:-1]):
                shortest[key] = window
    titles = ["scenario", "cell", "quantity", "class", "simulated", "emulated",
              "error, 95 % interval", "aim", "verdict", "machine used"]
    lines = ["| " + " | ".join(titles) + " |", "| " + " | ".join(["---"] * len(titles)) + " |"]
    lines += ["| " + " | ".join(shown(row)) + " |" for row in rows if wanted(row, shortest)]
    outside = sum(row["verdict"] == "outside" for row in rows)
    manifests = sorted(folder.glob("*/emulated/manifest.json"))
    made = ""
    if manifests:
        facts = json.loads(manifests[0].read_text(encoding="utf-8"))
        machine = facts["machine"]
        made = f", commit {facts['commit'][:12]}, {machine['cpu']}, {machine['cores']} cores"
    text = "\n".join(lines)
    text += f"\n\n{outside} of {len(rows)} rows of `worlds.csv` are outside their aim."
    text += f" Made by `{command.strip()}`{made}.\n"
    (folder / "table.md").write_text(text, encoding="utf-8")
    print(text, end="")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
