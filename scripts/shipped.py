#!/usr/bin/env python3
"""How far the shipped scenarios take differently long in the fluid and in the block network.

Every scenario that both networks can run is run in both, its first cell, under each fair
discipline; a CSV goes to standard output. The greatest difference of a completion is that of
transfers and peers of at least 64 blocks, in one replication, and `holds` says whether it is within
3 %. A fluid has no turns, and what is a few blocks long waits for its turn and little else: of the
shorter transfers the median and the greatest difference are told, and how much longer they take in
the mean, but no aim is set for them. In a swarm whose peers choke and pick by chance two runs give
each peer another time whatever the network: there the mean of all peers is compared, over five
replications.

usage: scripts/shipped.py FAIRLAB [SCENARIO...]
"""

import csv
import pathlib
import re
import subprocess
import sys
import tempfile

FAIR = ["drr", "sparse-drr", "sfq", "wf2q+", "mclock"]
SCENARIOS = pathlib.Path(__file__).resolve().parent.parent / "experiments" / "scenarios"
NAMES = ["default", "disciplines", "limits", "load", "worlds/caps", "worlds/download",
         "worlds/floors", "worlds/small", "worlds/swarm", "worlds/weights"]
SWARMS = ["churn", "clustering", "swarm", "worlds/churn", "worlds/classes", "worlds/trade"]
REPLICATIONS = 5
# Of the scenarios above, the largest there is.
BLOCK = 65_536
LEAST = 64 * BLOCK
# In percent.
COMPLETION_MAX = 3.0


def variant(name, network, count):
    """The text of a scenario in that network, under each fair discipline and nothing else."""
    text = (SCENARIOS / f"{name}.toml").read_text()
    text = re.sub(r'(?m)^network = "\w+"', f'network = "{network}"', text)
    text = re.sub(r"(?m)^uplink = .*\n", "", text)
    if network == "fluid":
        text = re.sub(r"(?m)^connection-window.*\n", "", text)
    data = SCENARIOS.parent / "data"
    text = re.sub(r'"(?:\.\./)+data/', f'"{data}/', text)
    end = min(text.index(f"[{table}]") for table in ("sweep", "replication") if f"[{table}]" in text)
    uplinks = ", ".join(f'"{uplink}"' for uplink in FAIR)
    return text[:end] + f"""[sweep]
"policy.uplink" = [{uplinks}]

[replication]
seed = 1
count = {count}
baseline = "drr"

[output]
windows = []
files = ["runs", "transfers", "peers"]
"""


def times(folder):
    """The completion times of a result by discipline and by who took them: long ones, short ones."""
    found = {}, {}
    for table, key in (("transfers", "transfer"), ("peers", "peer")):
        path = folder / f"{table}.csv"
        if not path.exists():
            continue
        with open(path, newline="") as rows:
            for row in csv.DictReader(rows):
                long = table == "peers" or int(row["bytes"]) >= LEAST
                if row["completion_s"]:
                    who = row["policy.uplink"], row["replication"], row[key]
                    found[0 if long else 1][who] = float(row["completion_s"])
    return found


def mean(times):
    return sum(times) / len(times)


def apart(block, fluid):
    """In percent: how far the mean of the fluid is from that of the block network, and each of those
    that both networks have, the least first."""
    both = [who for who in block if who in fluid]
    if not both:
        return 0.0, [0.0]
    means = (mean(fluid.values()) / mean(block.values()) - 1) * 100
    return means, sorted(abs(block[who] / fluid[who] - 1) * 100 for who in both)


def main():
    fairlab, *names = sys.argv[1:]
    print("scenario,uplink,statistic,rows,rows_of_64_blocks,completion_pct,holds,"
          "shorter_rows,shorter_mean_pct,shorter_median_pct,shorter_worst_pct")
    with tempfile.TemporaryDirectory() as folder:
        for name in names or sorted(NAMES + SWARMS):
            swarm = name in SWARMS
            results = {}
            for network in ("block", "fluid"):
                path = pathlib.Path(folder) / f"{network}.toml"
                path.write_text(variant(name, network, REPLICATIONS if swarm else 1))
                out = pathlib.Path(folder) / name.replace("/", "-") / network
                command = [fairlab, "sweep", str(path), "--out", str(out)]
                quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
                subprocess.run(command, check=True, **quiet)
                results[network] = times(out)
            for uplink in FAIR:
                of = lambda found: {who: time for who, time in found.items() if who[0] == uplink}
                (long, short), (long_fluid, short_fluid) = (
                    map(of, results[network]) for network in ("block", "fluid"))
                means, each = apart(long, long_fluid)
                statistic, worst = ("mean", abs(means)) if swarm else ("worst", each[-1])
                row = [name, uplink, statistic, len(long) + len(short), len(long), f"{worst:.3f}",
                       str(worst <= COMPLETION_MAX).lower(), len(short)]
                means, each = apart(short, short_fluid)
                figures = (means, each[len(each) // 2], each[-1])
                row += [f"{figure:.3f}" for figure in figures] if short else [""] * 3
                print(",".join(map(str, row)))


if __name__ == "__main__":
    main()
