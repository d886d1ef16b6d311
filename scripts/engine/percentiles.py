"""Percentiles of numbers, one a line: count, p50, p90, p99 and the largest (nearest rank)."""

import math
import sys

values = sorted(float(line) for line in sys.stdin)
if not values:
    sys.exit("no values")
ranks = [values[max(0, math.ceil(part * len(values)) - 1)] for part in (0.5, 0.9, 0.99, 1.0)]
print(",".join([str(len(values))] + [f"{value:.2f}" for value in ranks]))
