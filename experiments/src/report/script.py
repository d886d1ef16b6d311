
# Below this line the script is the same for every result. It needs python3 and matplotlib,
# and reads the tables beside it. Change the style here; the data stay as they are.

import csv
import math
import os
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

HERE = os.path.dirname(os.path.abspath(__file__))
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000",
           "#8c564b", "#8c8c8c", "#332288"]
plt.rcParams.update({
    "font.size": 8, "lines.linewidth": 1.2, "axes.spines.top": False, "axes.spines.right": False,
    "axes.prop_cycle": matplotlib.cycler(color=COLOURS), "figure.constrained_layout.use": True,
    "pdf.fonttype": 42, "svg.hashsalt": "fairlab",
})


def rows(name):
    """Rows of a table as dictionaries; nothing if there is no such table."""
    path = os.path.join(HERE, name)
    if not os.path.exists(path):
        return
    with open(path, newline="", encoding="utf-8") as table:
        yield from csv.DictReader(table)


def label(row):
    return " ".join(row[axis] for axis in AXES) or row["cell"]


def shown(row):
    """Whether a row belongs to the cells of the figures without further axes."""
    return all(row[axis] == value for axis, value in COMMON.items())


def number(text):
    return float(text) if text else None


def log_ticks(axis):
    """Plain numbers on a log axis, few enough to stand beside each other."""
    low, high = sorted(axis.get_view_interval())
    subs = (1,) if high > 80 * low else (1, 2, 5)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def save(figure, name):
    os.makedirs(os.path.join(HERE, "figures"), exist_ok=True)
    for end in ("pdf", "svg", "png"):
        figure.savefig(os.path.join(HERE, "figures", f"mpl_{name}.{end}"), dpi=300)
    plt.close(figure)
    print(f"figures/mpl_{name}.pdf")


def summary():
    """Mean and interval by metric and cell, in the order of the table."""
    found = {}
    for row in rows("summary.csv"):
        mean, low, high = (number(row[key]) for key in ("mean", "ci_lo", "ci_hi"))
        found.setdefault(row["metric"], []).append((row, mean, low, high))
    return found


def headline(table):
    metrics = [(metric, title, scale) for metric, title, scale in METRICS if metric in table]
    if not metrics:
        return
    columns = min(3, len(metrics))
    lines = math.ceil(len(metrics) / columns)
    cells = [entry for entry in table[metrics[0][0]] if shown(entry[0])]
    figure, axes = plt.subplots(lines, columns, squeeze=False, sharey=True,
                                figsize=(7, lines * (0.8 + 0.17 * len(cells))))
    for axis in list(axes.flat)[len(metrics):]:
        axis.remove()
    for at, (metric, title, scale) in enumerate(metrics):
        axis = axes[at // columns][at % columns]
        entries = [entry for entry in table[metric] if shown(entry[0])]
        for place, (row, mean, low, high) in enumerate(entries):
            colour = COLOURS[place % len(COLOURS)]
            if low is not None:
                axis.plot([low * scale, high * scale], [place, place], color=colour)
            axis.plot([mean * scale], [place], "o", color=colour, markersize=4)
        axis.set_yticks(range(len(entries)), [label(entry[0]) for entry in entries])
        axis.set_ylim(len(entries) - 0.5, -0.5)
        axis.set_title(title, loc="left", fontsize=7)
        means = [mean for _, mean, _, _ in entries]
        if min(means) > 0 and max(means) > 8 * min(means):
            axis.set_xscale("log")
            log_ticks(axis.xaxis)
        axis.grid(axis="x", color="#e4e4e4")
    save(figure, "headline")


def distribution():
    name, value, start, title = DISTRIBUTION
    samples = {}
    for row in rows(name):
        wanted = row["class"] == CLASS if CLASS else row.get("wanted", "1") == "1"
        if wanted and shown(row) and row[start]:
            samples.setdefault(label(row), []).append(number(row[value]))
    if not samples:
        return
    figure, axis = plt.subplots(figsize=(3.5, 2.6))
    every = [value for values in samples.values() for value in values if value is not None]
    for key, values in samples.items():
        # What did not finish counts, but has no place on the axis.
        done = sorted(value for value in values if value is not None)
        axis.step(done, [(rank + 1) / len(values) for rank in range(len(done))], label=key)
    if every and 0 < 8 * min(every) < max(every):
        axis.set_xscale("log")
        log_ticks(axis.xaxis)
    axis.set_xlabel(title)
    axis.set_ylabel("fraction at most")
    axis.set_ylim(0, 1)
    axis.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, "cdf")


def windows(table):
    lines = {}
    for metric, entries in table.items():
        if metric.startswith("jain_window_"):
            length = float(metric[len("jain_window_"):-1])
            for row, mean, low, high in entries:
                if shown(row):
                    lines.setdefault(label(row), []).append((length, mean, low, high))
    if not lines:
        return
    figure, axis = plt.subplots(figsize=(3.5, 2.6))
    for key, points in lines.items():
        points.sort()
        axis.plot([p[0] for p in points], [p[1] for p in points], "o-", markersize=3, label=key)
    axis.set_xscale("log")
    log_ticks(axis.xaxis)
    axis.set_xlabel("length of the windows (s)")
    axis.set_ylabel("Jain's index of shares")
    axis.legend(frameon=False, fontsize=7, loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, "jain_window")


def main():
    table = summary()
    headline(table)
    distribution()
    windows(table)
    return 0


sys.exit(main())
