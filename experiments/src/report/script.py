
# Below this line the script is the same for every result. It needs python3 and matplotlib,
# and reads the tables beside it. Change the style here; the data stay as they are.
# GROUPS are small multiples: cells that differ in their policy alone. STYLES has the colour, the
# marker, whether it is hollow, and the dashes of each policy, as in fairlab's own figures.

import csv
import os
import sys
import textwrap

try:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    import numpy
    from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, NullFormatter
except ImportError as missing:
    sys.exit(f"{sys.argv[0]}: {missing}; python3-matplotlib of Debian or `pip install matplotlib`")

HERE = os.path.dirname(os.path.abspath(__file__))
GROUPS_MAX = 8
METRICS_MAX = 5
PERCENTILES = [0, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999, 0.9999]
plt.rcParams.update({
    "font.size": 8, "lines.linewidth": 1.2, "axes.spines.top": False, "axes.spines.right": False,
    "figure.constrained_layout.use": True, "pdf.fonttype": 42, "svg.hashsalt": "fairlab",
})


def plain(text):
    """A name as matplotlib writes it: a dollar would start a formula."""
    return text.replace("$", r"\$")


def rows(name):
    """Rows of a table as dictionaries; nothing if there is no such table."""
    path = os.path.join(HERE, name)
    if not os.path.exists(path):
        return
    with open(path, newline="", encoding="utf-8") as table:
        yield from csv.DictReader(table)


def label(row):
    """What a policy is called; what is alone has no policy."""
    if row["cell"] == "alone":
        return "alone"
    return " + ".join(row[axis] for axis in AXES) or row["cell"]


def is_in(row, group):
    return all(row[axis] == value for axis, value in group[1].items())


def number(text):
    return float(text) if text else None


def marks(name):
    """How the points of a policy look."""
    colour, marker, hollow, _ = STYLES[name]
    return {"color": colour, "marker": marker, "markersize": 4, "markeredgewidth": 1,
            "markerfacecolor": "white" if hollow else colour}


def line(name):
    """How the line of a policy looks."""
    dashes = STYLES[name][3]
    return {"linestyle": (0, [length / 1.6 for length in dashes]) if dashes else "-"}


def log_ticks(axis):
    """Plain numbers on a log axis, few enough to stand beside each other."""
    low, high = sorted(axis.get_view_interval())
    subs = (1,) if high > 80 * low else (1, 2, 5)
    axis.set_major_locator(LogLocator(subs=subs))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def is_wide(values):
    """Whether values are far enough apart for a log axis."""
    return bool(values) and 0 < 8 * min(values) < max(values)


def legend(figure, axes):
    """One legend for all panels, below them."""
    found = {}
    for axis in axes:
        for handle, name in zip(*axis.get_legend_handles_labels()):
            found.setdefault(name, handle)
    figure.legend(found.values(), found.keys(), frameon=False, fontsize=7, title=POLICY,
                  title_fontsize=7, ncols=4, loc="outside lower center", handlelength=3.5)


def save(figure, name):
    os.makedirs(os.path.join(HERE, "figures"), exist_ok=True)
    for end in ("pdf", "svg", "png"):
        figure.savefig(os.path.join(HERE, "figures", f"mpl_{name}.{end}"), dpi=300)
    plt.close(figure)
    print(f"figures/mpl_{name}.pdf")


def summary():
    """Mean and interval by metric and cell, in the order of the table; of extremes the median."""
    found = {}
    for row in rows("summary.csv"):
        is_extreme = row["metric"] in MEDIANS
        keys = ("median", "median_ci_lo", "median_ci_hi") if is_extreme else ("mean", "ci_lo", "ci_hi")
        centre, low, high = (number(row[key]) for key in keys)
        found.setdefault(row["metric"], []).append((row, centre, low, high))
    return found


def dots(axis, entries, names, title, scale, group):
    """A row for each policy in names, with its interval."""
    found = {}
    for row, mean, low, high in entries:
        if is_in(row, group):
            found.setdefault(label(row), (mean, low, high))
    for place, name in enumerate(names):
        mean, low, high = found.get(name, (None, None, None))
        if mean is None:
            continue
        if low is not None:
            axis.plot([low * scale, high * scale], [place, place], color=STYLES[name][0])
        axis.plot([mean * scale], [place], linestyle="none", **marks(name))
    axis.set_yticks(range(len(names)), [plain(name) for name in names])
    axis.set_ylim(len(names) - 0.5, -0.5)
    axis.set_xlabel(textwrap.fill(plain(title), 30))
    means = [entry[1] for entry in entries]
    if is_wide(means):
        axis.set_xscale("log")
        log_ticks(axis.xaxis)
    axis.grid(axis="x", color="#e4e4e4")


def headline(table):
    metrics = [(metric, title, scale) for metric, title, scale in METRICS if metric in table]
    groups = GROUPS[:GROUPS_MAX]
    if not metrics:
        return
    if len(groups) > 1:
        metrics = metrics[:METRICS_MAX]
        panels = [[(metric, group) for group in groups] for metric in metrics]
    else:
        cut = [metrics[at:at + 3] for at in range(0, len(metrics), 3)]
        panels = [[(metric, groups[0]) for metric in row] for row in cut]
    columns = max(len(row) for row in panels)
    # Panels beside each other have one axis of policies.
    known = {label(entry[0]) for metric, *_ in metrics for entry in table[metric]}
    names = [name for name in STYLES if name in known]
    figure, axes = plt.subplots(len(panels), columns, squeeze=False, sharey="row",
                                sharex="row" if len(groups) > 1 else "none",
                                figsize=(max(7, 1.9 * columns),
                                         len(panels) * (0.9 + 0.15 * len(STYLES))))
    for at, row in enumerate(panels):
        for axis in axes[at][len(row):]:
            axis.remove()
        for axis, ((metric, title, scale), group) in zip(axes[at], row):
            dots(axis, table[metric], names, title, scale, group)
            axis.set_title(plain(group[0]), loc="left", fontsize=7)
        axes[at][0].set_ylabel(POLICY)
    save(figure, "headline")


def samples(group):
    """Values of each policy, None for what did not finish."""
    name, value, start, _ = DISTRIBUTION
    found = {}
    for row in rows(name):
        wanted = row["class"] == CLASS if CLASS else row.get("wanted", "1") == "1"
        if wanted and is_in(row, group) and row[start]:
            found.setdefault(label(row), []).append(number(row[value]))
    return found


def distribution():
    """By percentile, stretched towards the slowest, and cumulative."""
    groups = [(group, samples(group)) for group in GROUPS[:GROUPS_MAX]]
    groups = [(group, found) for group, found in groups if found]
    title = DISTRIBUTION[3]
    if not groups:
        return
    figure, axes = plt.subplots(len(groups), 2, squeeze=False, figsize=(7, 2.6 * len(groups)))
    for (left, right), (group, found) in zip(axes, groups):
        every = [value for values in found.values() for value in values if value is not None]
        most = max(len(values) for values in found.values())
        for at, (name, values) in enumerate(found.items()):
            # What did not finish counts, but has no place on the axis.
            done = sorted(value for value in values if value is not None)
            step = max(1, len(done) // 5)
            style = dict(marks(name), **line(name), label=plain(name),
                         markevery=(at * step // len(found), step))
            part = [(rank + 0.5) / len(values) for rank in range(len(done))]
            left.plot(part, done, **style)
            right.step(done, [(rank + 1) / len(values) for rank in range(len(done))],
                       where="post", **style)
        if is_wide(every):
            left.set_yscale("log")
            log_ticks(left.yaxis)
            right.set_xscale("log")
            log_ticks(right.xaxis)
        end = 1 - 0.5 / most
        left.set_xscale("function", functions=(
            lambda part: -numpy.log(1 - numpy.minimum(part, 0.999999)),
            lambda place: 1 - numpy.exp(-place)))
        left.set_xlim(0, end)
        left.xaxis.set_major_locator(FixedLocator([tick for tick in PERCENTILES if tick <= end]))
        left.xaxis.set_major_formatter(FuncFormatter(lambda part, _: f"{part * 100:g}"))
        left.set_xlabel(f"percentile of {plain(CLASS)} transfers" if CLASS else "percentile")
        left.set_ylabel(title)
        right.set_xlabel(title)
        right.set_ylabel("part at most that long")
        right.set_ylim(0, 1)
        left.set_title(plain(group[0]), loc="left", fontsize=7)
    legend(figure, axes.flat)
    save(figure, "cdf")


def windows(table):
    """Jain's index against the length of the windows."""
    found = []
    for group in GROUPS[:GROUPS_MAX]:
        lines = {}
        for metric, entries in table.items():
            if metric.startswith("jain_window_"):
                length = float(metric[len("jain_window_"):-1])
                for row, mean, low, high in entries:
                    if is_in(row, group) and label(row) != "alone":
                        lines.setdefault(label(row), []).append((length, mean, low, high))
        lines = {name: sorted(points) for name, points in lines.items() if len(points) > 1}
        if lines:
            found.append((group, lines))
    if not found:
        return
    figure, axes = plt.subplots(1, len(found), squeeze=False, sharey=True,
                                figsize=(max(3.5, 2.6 * len(found)), 3))
    for axis, (group, lines) in zip(axes[0], found):
        for name, points in lines.items():
            lengths, means = [p[0] for p in points], [p[1] for p in points]
            axis.plot(lengths, means, label=plain(name), **marks(name), **line(name))
            for length, _, low, high in points:
                if low is not None:
                    axis.plot([length, length], [low, high], color=STYLES[name][0], linewidth=0.8)
        axis.set_xscale("log")
        log_ticks(axis.xaxis)
        axis.set_xlabel("length of the windows (s)")
        axis.set_title(plain(group[0]), loc="left", fontsize=7)
    axes[0][0].set_ylabel("Jain's index of bytes / entitlement")
    legend(figure, axes.flat)
    save(figure, "jain_window")


def main():
    table = summary()
    headline(table)
    distribution()
    windows(table)
    return 0


sys.exit(main())
