"""Figures of one limit from the samples of meter.py: mean and extreme windows against the cap.

Usage: limits.py SAMPLES SECONDS REMOTE[,REMOTE...]=BYTES_S ...
Prints one row for each: remote, cap, mean over SECONDS, slowest and fastest one-second window.
"""

import bisect
import csv
import sys

# What is there before the content moves: the handshake, greetings, joins and manifests.
QUIET = 4096


def series(path, remotes):
    """Samples of `remotes` together: times, and bytes since the first sample."""
    latest, points = {}, []
    with open(path, newline="") as rows:
        for row in csv.DictReader(rows):
            if row["remote"] not in remotes:
                continue
            latest[row["remote"]] = int(row["sent_bytes"])
            time = float(row["time_s"])
            total = sum(latest.values())
            if points and points[-1][0] == time:
                points[-1] = (time, total)
            else:
                points.append((time, total))
    base = points[0][1]
    return [(time, total - base) for time, total in points]


def at(points, times, moment):
    """Bytes at `moment`, between the samples around it."""
    place = bisect.bisect_right(times, moment)
    if place == 0 or place == len(points):
        return float(points[min(place, len(points) - 1)][1])
    (t0, b0), (t1, b1) = points[place - 1], points[place]
    return b0 + (b1 - b0) * (moment - t0) / (t1 - t0)


def main():
    seconds = float(sys.argv[2])
    for pair in sys.argv[3:]:
        names, cap = pair.split("=")
        cap = int(cap)
        points = series(sys.argv[1], names.split(","))
        times = [time for time, _ in points]
        begin = max(time for time, total in points if total <= QUIET)
        if times[-1] < begin + seconds:
            sys.exit(f"{names}: only {times[-1] - begin:.1f} s of samples")
        mean = (at(points, times, begin + seconds) - at(points, times, begin)) / seconds
        starts = [time for time in times if begin <= time <= begin + seconds - 1]
        windows = [at(points, times, time + 1) - at(points, times, time) for time in starts]
        first = at(points, times, begin + 1) - at(points, times, begin)
        worst = max(windows, key=lambda window: abs(window / cap - 1))
        print(",".join([names.replace(",", "+"), str(cap), f"{mean:.0f}",
                        f"{(mean / cap - 1) * 100:.2f}", f"{(first / cap - 1) * 100:.2f}",
                        f"{(min(windows) / cap - 1) * 100:.2f}",
                        f"{(max(windows) / cap - 1) * 100:.2f}",
                        f"{(worst / cap - 1) * 100:.2f}"]))


main()
