"""Shares from the samples of meter.py, against weights.

Usage: shares.py SAMPLES SKIP_S REMOTE=WEIGHT...
Skips SKIP_S from the first sample, and prints for each: remote, weight, bytes, share in percent,
error of the share against the weight in percent of the share that is due.
"""

import csv
import sys


def main():
    skip = float(sys.argv[2])
    weights = {pair.split("=")[0]: int(pair.split("=")[1]) for pair in sys.argv[3:]}
    first, last, begin = {}, {}, None
    with open(sys.argv[1], newline="") as rows:
        for row in csv.DictReader(rows):
            if row["remote"] not in weights:
                continue
            time = float(row["time_s"])
            begin = time if begin is None else begin
            if time < begin + skip:
                continue
            sent = int(row["sent_bytes"])
            first.setdefault(row["remote"], sent)
            last[row["remote"]] = sent
    moved = {name: last[name] - first[name] for name in weights}
    total, sum_of_weights = sum(moved.values()), sum(weights.values())
    for name, weight in weights.items():
        share, due = moved[name] / total, weight / sum_of_weights
        print(f"{name},{weight},{moved[name]},{share * 100:.2f},{(share / due - 1) * 100:.2f}")


main()
