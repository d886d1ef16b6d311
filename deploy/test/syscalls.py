"""Which system calls of a trace the unit does not let a service make.

    syscalls.py UNIT TRACE...       a trace is what strace -f -o wrote; prints nothing if all is well
"""

import re
import subprocess
import sys


def group(name):
    """The calls of a group, as systemd has it, and of the groups in it."""
    if not name.startswith("@"):
        return {name}
    text = subprocess.run(["systemd-analyze", "syscall-filter", "--no-pager", name],
                          capture_output=True, text=True, check=True).stdout
    words = (line.strip() for line in text.splitlines()[1:])
    return set().union(*(group(word) for word in words if word and not word.startswith("#")))


def main():
    unit, *traces = sys.argv[1:]
    # What a filter always lets through.
    allowed = group("@default")
    with open(unit, encoding="utf-8") as file:
        for words in re.findall(r"(?m)^SystemCallFilter=(.*)$", file.read()):
            named = set().union(*(group(word) for word in words.lstrip("~").split()))
            allowed = allowed - named if words.startswith("~") else allowed | named
    used = set()
    for trace in traces:
        with open(trace, encoding="utf-8", errors="replace") as file:
            used |= set(re.findall(r"(?m)^\d+ +([a-z0-9_]+)\(", file.read()))
    if len(used) < 40:
        sys.exit(f"only {len(used)} system calls in the traces: nothing was traced")
    print(*sorted(used - allowed), sep="\n", end="")


main()
