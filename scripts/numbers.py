#!/usr/bin/env python3
"""Fills the numbers of README.md and docs/ from the files in results/.

Usage: numbers.py [--check] [FILE...]      FILE: default README.md and docs/**/*.md
       numbers.py --history PAGE...

A number that a run produced stands between two comments, and the first says where it is from:

    one turn takes <!-- from results/bench/turns.csv: {case=drr ns .0f} ns -->24 ns<!-- end -->

    <!-- from results/engine
    | tool | MB/s |
    | --- | --- |
    | scp | {rates.csv tool=scp max(rate_bytes_per_s) /1e6 .0f} |
    -->
    (the same text with numbers for braces: generated, never edited)
    <!-- end -->

After `from` comes a file, or a folder, and then each brace begins with a file in it. A brace has,
separated by spaces (quotes hold a value with spaces together):

    COLUMN=VALUE  COLUMN!=VALUE  COLUMN~REGEX     which rows; without an aggregate exactly one
    COLUMN | AGGREGATE(COLUMN) | count            min, max, mean, sum, worst (greatest size),
                                                  list (each text once); count is 0 if each
                                                  condition alone has a row
    *X  /X  +X  -X                                arithmetic, in this order; X is a number or,
                                                  in one row, a COLUMN
    FORMAT                                        .1f, ,.0f, .7s as in Python; 3 is three digits

Of a JSON file the value is a path such as machine.cores; {text} is a whole text file, and
{part N} its Nth part, counted from 1, where empty lines part it.

With --check nothing is written: a document that differs from its results, a source that is not
there, a measured number outside of such comments, and a result whose manifest names a commit
that is not in the history are errors, a line each. What may stand outside is in
docs/numbers-allowed.txt with its reason, `*` for all of a page. A page of docs/decisions is
history: its numbers may stand as they were if it says `Figures as of commit HASH`; with --history
a page gets that line, with the commit that changed it last.

Exit codes: 0 all is as it should be, 1 something differs, 2 usage.
"""

import csv
import functools
import json
import pathlib
import re
import shlex
import subprocess
import sys

MARKER = re.compile(
    r"<!-- from (?P<source>[^\s:]+)(?P<kind>: |\n)(?P<template>.*?)(?: |(?<=\n))-->"
    r"(?P<text>.*?)<!-- end -->",
    re.DOTALL,
)
STRAY = re.compile(r"<!-- (?:from\b|end -->)")
BRACE = re.compile(r"\{([^{}]*)\}")
WHERE = re.compile(r"^([^=!~()]+)(!=|=|~)(.*)$", re.DOTALL)
AGGREGATE = re.compile(r"^(min|max|mean|sum|worst|list)\((.+)\)$")
ARITHMETIC = re.compile(r"^([*/+-])(.+)$")
FORMAT = re.compile(r"^(?:\d+|[<>^+,]*\.?\d*[fgsd%])$")
AS_OF = re.compile(r"Figures as of commit `?([0-9a-f]{7,40})`?")

# A number that looks measured: a fraction, thousands, or a number with a unit.
UNIT = (
    r"(?:%|(?:n|µ|m)?s\b|min\b|h\b|pp\b|points?\b|times\b|copies\b|fold\b|(?:CPU )?seconds?\b|minutes?\b"
    r"|[kMGT]?B(?:/s)?\b|[KMGT]iB(?:/s)?\b|[kMG]?bit/s|M(?:\s|$)|rows\b)"
)
MEASURED = re.compile(
    rf"(?<![\w.:/-])(?:\d{{1,3}}(?:,\d{{3}})+(?:\.\d+)?|\d+\.\d+|\d+(?=\s?{UNIT}))(?:\s?{UNIT})?"
)
FENCE = re.compile(r"^(```|~~~).*?^\1\s*$", re.DOTALL | re.MULTILINE)


class Fault(Exception):
    """A marker that cannot be filled."""


@functools.cache
def table(path):
    """Columns and rows of a CSV file."""
    try:
        with open(path, newline="", encoding="utf-8") as file:
            reader = csv.DictReader(file)
            return list(reader.fieldnames or []), list(reader)
    except OSError as error:
        raise Fault(f"{path}: no such file: {error.strerror}") from error


def whole(path):
    """The text of a file without its last newline."""
    try:
        return pathlib.Path(path).read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise Fault(f"{path}: no such file: {error.strerror}") from error


def matches(row, where):
    """Whether a row has what is asked for."""
    for column, sign, value in where:
        found = row[column] or ""
        if sign == "~":
            if not re.search(value, found):
                return False
        elif (found == value) != (sign == "="):
            return False
    return True


def number(text, what):
    """A cell as a number."""
    try:
        return float(text)
    except ValueError as error:
        raise Fault(f"{what} is {text!r}, not a number") from error


def from_table(path, where, expression):
    """A cell, or an aggregate of a column, of the rows asked for."""
    columns, rows = table(path)
    aggregate = AGGREGATE.match(expression)
    column = aggregate.group(2) if aggregate else expression
    wanted = [name for name, _, _ in where] + ([] if expression == "count" else [column])
    for name in wanted:
        if name not in columns:
            raise Fault(f"{path}: no column {name}")
    found = [row for row in rows if matches(row, where)]
    said = " ".join(name + sign + value for name, sign, value in where) or "anything"
    # No row has all of it, and each of it is there: none, and no slip of the pen.
    there = all(any(matches(row, [one]) for row in rows) for one in where)
    if expression == "count" and there:
        return len(found)
    if not found:
        raise Fault(f"{path}: no row with {said}")
    if not aggregate:
        if len(found) > 1:
            raise Fault(f"{path}: {len(found)} rows with {said}, not one")
        if not found[0][column]:
            raise Fault(f"{path}: nothing in {column} of the row with {said}")
        return found[0][column]
    if aggregate.group(1) == "list":
        return ", ".join(dict.fromkeys(row[column] for row in found if row[column]))
    values = [number(row[column], f"{path}: {column}") for row in found if row[column]]
    if not values:
        raise Fault(f"{path}: nothing in {column} of the rows with {said}")
    if aggregate.group(1) == "mean":
        return sum(values) / len(values)
    if aggregate.group(1) == "worst":
        return max(map(abs, values))
    return {"min": min, "max": max, "sum": sum}[aggregate.group(1)](values)


def from_json(path, expression):
    """The value at a path of names."""
    value = json.loads(whole(path))
    for name in expression.split("."):
        if not isinstance(value, dict) or name not in value:
            raise Fault(f"{path}: no {expression}")
        value = value[name]
    return value


def shown(value, how):
    """A value in its format."""
    if not how:
        return f"{value:g}" if isinstance(value, float) else str(value)
    if how.isdigit():
        value = number(value, "the value")
        if value == 0:
            return "0"
        # Rounding first: 9.996 has one digit less after the point than 9.99.
        exponent = int(f"{value:.{int(how) - 1}e}".split("e")[1])
        return f"{value:,.{max(int(how) - 1 - exponent, 0)}f}"
    if how[-1] in "fgd%":
        value = number(value, "the value")
        if how[-1] == "d":
            value = int(value)
    text = format(value, how)
    return text.replace("-0", "0", 1) if re.fullmatch(r"-0(\.0*)?", text) else text


def cell(path, where, expression):
    """What an expression means in a file."""
    return from_json(path, expression) if path.endswith(".json") else from_table(path, where, expression)


def compute(own, sign, other):
    """One step of arithmetic."""
    if sign == "/" and other == 0:
        raise Fault("division by zero")
    steps = {"*": lambda: own * other, "/": lambda: own / other,
             "+": lambda: own + other, "-": lambda: own - other}
    return steps[sign]()


def fill(brace, source):
    """What stands for one brace."""
    try:
        words = shlex.split(brace)
    except ValueError as error:
        raise Fault(f"{{{brace}}}: {error}") from error
    path = source
    if pathlib.Path(source).is_dir():
        if not words:
            raise Fault(f"{{{brace}}}: names no file of {source}")
        path = f"{source}/{words.pop(0)}"
    if words == ["text"]:
        return whole(path)
    if len(words) == 2 and words[0] == "part" and words[1].isdigit():
        parts = re.split(r"\n(?:[ \t]*\n)+", whole(path))
        if not 1 <= int(words[1]) <= len(parts):
            raise Fault(f"{path}: has {len(parts)} parts, no part {words[1]}")
        return parts[int(words[1]) - 1]
    where, rest = [], []
    for word in words:
        found = WHERE.match(word) if not rest else None
        where.append(found.groups()) if found else rest.append(word)
    if not rest:
        raise Fault(f"{{{brace}}}: names no column")
    value = cell(path, where, rest[0])
    how = rest.pop() if len(rest) > 1 and FORMAT.match(rest[-1]) else ""
    for word in rest[1:]:
        step = ARITHMETIC.match(word)
        if not step:
            raise Fault(f"{{{brace}}}: {word!r} is no arithmetic and no format")
        sign, operand = step.groups()
        if not operand[0].isdigit():
            operand = cell(path, where, operand)
        value = compute(number(value, f"{path}: {rest[0]}"), sign, number(operand, f"{{{brace}}}: {word}"))
    return shown(value, how)


def render(source, template, block):
    """The text of a marker."""
    # In a line of text a comment with two hyphens is no comment for every reader of Markdown.
    if not block and "--" in template:
        raise Fault("a marker within a line cannot have two hyphens")
    if not pathlib.Path(source).exists():
        raise Fault(f"{source}: no such file")
    text = BRACE.sub(lambda found: fill(found.group(1), source), template)
    return f"\n{text.strip(chr(10))}\n" if block else text


def line_of(text, at):
    """The line of a place, from 1."""
    return text.count("\n", 0, at) + 1


def refresh(name, text, faults):
    """The document with all markers filled; what cannot be filled stays as it is."""

    def one(found):
        block = found["kind"] == "\n"
        try:
            new = render(found["source"], found["template"], block)
        except Fault as fault:
            faults.append(f"{name}:{line_of(text, found.start())}: {fault}")
            return found.group(0)
        head = found.group(0)[: found.start("text") - found.start()]
        return f"{head}{new}<!-- end -->"

    new = MARKER.sub(one, text)
    blank = MARKER.sub(lambda found: "\n" * found.group(0).count("\n"), text)
    for found in STRAY.finditer(blank):
        faults.append(f"{name}:{line_of(blank, found.start())}: a marker without its other end")
    return new


def differences(name, old, new):
    """A line for each marker that has another text."""
    for one, other in zip(MARKER.finditer(old), MARKER.finditer(new)):
        if one["text"] != other["text"]:
            pairs = zip(one["text"].split("\n"), other["text"].split("\n"))
            ours, theirs = next((pair for pair in pairs if pair[0] != pair[1]), ("", ""))
            at = line_of(old, one.start("text"))
            yield f"{name}:{at}: has {ours.strip()!r}, {one['source']} says {theirs.strip()!r}"


def blanked(found):
    """White space of the same size, so that places stay."""
    return re.sub(r"\S", " ", found.group(0))


def lint(name, text, allowed, used):
    """Measured numbers outside of markers; in code only what has an interval."""
    text = MARKER.sub(blanked, text)
    for found in FENCE.finditer(text):
        if "±" in found.group(0):
            at = line_of(text, found.start() + found.group(0).index("±"))
            yield f"{name}:{at}: a measured table outside of a marker"
    text = FENCE.sub(blanked, text)
    text = re.sub(r"`[^`\n]*`|\]\([^)]*\)|<!--.*?-->", blanked, text, flags=re.DOTALL)
    if "*" in allowed.get(name, ()):
        used.add((name, "*"))
        return
    for phrase in allowed.get(name, ()):
        words = r"\s+".join(map(re.escape, phrase.split()))
        text, count = re.subn(words, blanked, text)
        if count:
            used.add((name, phrase))
    for found in MEASURED.finditer(text):
        yield f"{name}:{line_of(text, found.start())}: {found.group(0)!r} is outside of a marker"


def read_allowed(path):
    """Phrases by document: a line is `DOCUMENT | PHRASE | REASON`."""
    allowed = {}
    for at, line in enumerate(whole(path).split("\n"), 1):
        if not line.strip() or line.startswith("#"):
            continue
        parts = [part.strip() for part in line.split(" | ")]
        if len(parts) != 3 or not all(parts):
            raise Fault(f"{path}:{at}: must be DOCUMENT | PHRASE | REASON")
        allowed.setdefault(parts[0], []).append(parts[1])
    return allowed


def git(*words):
    """Code and output of a command of git."""
    run = subprocess.run(["git", *words], capture_output=True, text=True, check=False)
    return run.returncode, run.stdout.strip()


@functools.lru_cache
def in_history(commit):
    """Whether a clone has a commit: one that is merely stored, as after a rebase, is in none.

    True as well where that cannot be known: without a repository, or in a shallow one."""
    if git("rev-parse", "--is-shallow-repository") != (0, "false"):
        return True
    return git("merge-base", "--is-ancestor", commit, "HEAD")[0] == 0


def manifests(faults):
    """Whether results can be made again by the commits that their manifests name."""
    for path in sorted(map(str, pathlib.Path("results").rglob("manifest.json"))):
        commit = json.loads(whole(path)).get("commit")
        if commit and not in_history(commit):
            faults.append(f"{path}: no commit {commit[:12]} in the history of this one")


def is_history(name, text, faults):
    """Whether a page says of which commit its figures are."""
    found = AS_OF.search(text) if name.startswith("docs/decisions/") else None
    if found is None:
        return False
    if not in_history(found.group(1)):
        faults.append(f"{name}:{line_of(text, found.start())}: "
                      f"no commit {found.group(1)} in the history of this one")
    return True


def mark_history(names):
    """Gives pages the line that says of which commit their figures are."""
    for name in names:
        commit = git("log", "-1", "--format=%h", "--", name)[1]
        text = whole(name)
        if not commit or not name.startswith("docs/decisions/"):
            raise Fault(f"{name}: is no page of docs/decisions in a commit")
        if not AS_OF.search(text):
            page = f"{text}\n\nFigures as of commit `{commit}`.\n"
            pathlib.Path(name).write_text(page, encoding="utf-8")
            print(f"{name}: {commit}")


def check(name, text, allowed, used, faults):
    """What is wrong with a document beside its markers."""
    for found in re.finditer(r"^<!-- from [^\n]*-->(?=\S)", text, re.MULTILINE):
        # Such a line is a block of HTML, and Markdown in it is not read.
        faults.append(f"{name}:{line_of(text, found.start())}: a line must not begin with a marker")
    if not is_history(name, text, faults):
        faults.extend(lint(name, text, allowed, used))


def main(arguments):
    """Fills or checks documents."""
    if "--help" in arguments or "-h" in arguments:
        print(__doc__, end="")
        return 0
    only_check, history = "--check" in arguments, "--history" in arguments
    names = [word for word in arguments if word not in ("--check", "--history")]
    if any(name.startswith("-") for name in names):
        print(f"numbers.py: no option {next(n for n in names if n.startswith('-'))}", file=sys.stderr)
        return 2
    everything = not names
    if everything:
        names = ["README.md", *sorted(map(str, pathlib.Path("docs").rglob("*.md")))]
    faults, used, allowed = [], set(), {}
    try:
        if history:
            mark_history(names)
            return 0
        allowed = read_allowed("docs/numbers-allowed.txt")
        for name in names:
            text = pathlib.Path(name).read_text(encoding="utf-8")
            new = refresh(name, text, faults)
            check(name, new, allowed, used, faults)
            if only_check:
                faults.extend(differences(name, text, new))
            elif new != text:
                pathlib.Path(name).write_text(new, encoding="utf-8")
                print(f"{name}: filled")
        if everything and only_check:
            manifests(faults)
    except (Fault, OSError) as fault:
        faults.append(str(fault))
        everything = False
    for name, phrases in allowed.items() if everything else ():
        for phrase in phrases:
            if (name, phrase) not in used:
                faults.append(f"docs/numbers-allowed.txt: {name} has no {phrase!r} any more")
    for fault in faults:
        print(f"numbers.py: {fault}", file=sys.stderr)
    if any(fault.endswith("outside of a marker") for fault in faults):
        print("numbers.py: see scripts/numbers.py --help, and docs/numbers-allowed.txt", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
