#!/usr/bin/env python3
"""Measures how the code stands: its size by crate, its types, the names that are defined twice.

Usage: house.py                 the table as CSV on standard output
       house.py --write DIR     DIR/house.csv and what it was measured on, DIR/made.json
       house.py --check         nothing is above its ceiling (scripts/house.toml)

A line of code is a line with anything but space and comments on it. Tests are files below tests/,
benches/ and fuzz/, files called tests.rs or laws.rs, and modules behind
#[cfg(test)], inline or in files of their own. Examples are
product code: people copy them.

    kind        name             what is counted
    crate       a folder         lines of product code; of tests; comment lines within functions
    methods     crate::Type      functions of its inherent impls, and files with one of those
    path        what moves       product files that name one of the words that carry it
    circle      a folder         files of its largest circle: each names, or calls methods of, another
    tests       a folder         lines of its product code; of its tests
    definitions Type             public types of that name in the whole workspace, if several
    function    file:line name   lines of a function, if more than 70
    file        file             lines of a file, if more than 400

Exit codes: 0 done, 1 something is above its ceiling, a line each, 2 usage.
"""

import collections
import csv
import io
import json
import pathlib
import re
import subprocess
import sys
import tomllib

ROOT = pathlib.Path(__file__).resolve().parent.parent
# From the innermost out: a file belongs to the first whose folder it is in.
CRATES = (
    "engine/core",
    "engine/config",
    "engine/results",
    "engine/client",
    "engine",
    "simulator",
    "experiments/emulate",
    "experiments",
)
FUNCTION_MAX = 70
FILE_MAX = 400
# What carries a thing from one end of a node to the other, and the crates that it goes through.
PATHS = {
    "a request to the wire": (
        ("engine/core", "engine"),
        r"Message::Request\b|uplink::Request\b|\bRequest \{|Action::Upload\b|\bfn upload\b",
    ),
}

# Folders in which no circle of files is to be larger than a reader can hold.
CIRCLES = ("engine/src/node", "engine/core/src/node")

TOKEN = re.compile(
    r"""//[^\n]*|/\*|r(\#*)".*?"\1|b?"(?:\\.|[^"\\])*"|b?'(?:\\(?:u\{[^}]*\}|x..|.)|[^'\\])'""",
    re.DOTALL,
)
ITEM = re.compile(r"\bpub(?:\([^)]*\))? (?:struct|enum|trait|type|union) (\w+)")
IMPL = re.compile(r"^impl(?:<[^{]*?>)?\s+([\w:]+)(?:<[^{]*?>)?\s*(?:where[^{]*)?\{", re.MULTILINE)
FN = re.compile(r"\bfn (\w+)")


def blank(text):
    """Code without comments, and with strings that are empty; every line stays where it is."""
    out, at = [], 0
    while match := TOKEN.search(text, at):
        out.append(text[at : match.start()])
        end, token = match.end(), match.group()
        if token == "/*":
            depth = 1
            while depth and (mark := re.compile(r"/\*|\*/").search(text, end)):
                depth += 1 if mark.group() == "/*" else -1
                end = mark.end()
            token = text[match.start() : end]
        if not token.startswith("/"):
            out.append('""')
        out.append("\n" * token.count("\n"))
        at = end
    out.append(text[at:])
    return "".join(out)


def block(code, start):
    """Where the braces that open at or after `start` close."""
    depth = 0
    for at in range(code.index("{", start), len(code)):
        depth += {"{": 1, "}": -1}.get(code[at], 0)
        if depth == 0:
            return at + 1
    return len(code)


def without_tests(code):
    """Product code and that of its test modules."""
    tests = ""
    while match := re.search(r"#\[cfg\(test\)\]\s*(?:#\[[^\n]*\]\s*)*(?:pub(?:\([^)]*\))? )?mod \w+ \{", code):
        end = block(code, match.end() - 1)
        tests += code[match.start() : end]
        code = code[: match.start()] + "\n" * code.count("\n", match.start(), end) + code[end:]
    return code, tests


def lines(code):
    return sum(1 for line in code.splitlines() if line.strip())


def is_test(path):
    parts = path.parts
    return bool({"tests", "benches"} & set(parts)) or path.name in ("tests.rs", "laws.rs") or "laws" in parts


def test_files(path, code):
    """Files and folders of the test modules that a file names."""
    base = path.parent if path.name in ("mod.rs", "lib.rs", "main.rs") else path.with_suffix("")
    for name in re.findall(r"#\[cfg\(test\)\]\s*(?:#\[[^\n]*\]\s*)*(?:pub(?:\([^)]*\))? )?mod (\w+);", code):
        yield from (base / f"{name}.rs", base / name)


def functions(code):
    """Name, first and last line of each function."""
    for match in FN.finditer(code):
        brace, semicolon = code.find("{", match.end()), code.find(";", match.end())
        if brace < 0 or 0 <= semicolon < brace:
            continue
        first = code.count("\n", 0, match.start())
        yield match.group(1), first, code.count("\n", 0, block(code, brace))


def used(code):
    """The paths that a file names from its own module or the crate, as lists of words."""
    for statement in re.findall(r"\buse ([^;]+);", code):
        yield from spread(re.sub(r"\s+", "", statement))
    for path in re.findall(r"\b(?:crate|self|super)(?:::\w+)+", code):
        yield path.split("::")


def spread(path):
    """A path of a `use` with braces as paths without."""
    if "{" not in path:
        yield path.split("::")
        return
    head, rest = path.split("{", 1)
    part, depth = "", 0
    for sign in rest[: rest.rindex("}")] + ",":
        depth += {"{": 1, "}": -1}.get(sign, 0)
        if sign == "," and depth == 0:
            yield from spread(head + part) if part else ()
            part = ""
        else:
            part += sign


def circle(files):
    """The largest circle among files, by their path within the source of a crate."""
    modules = {}
    for path in files:
        words = list(path.with_suffix("").parts)
        modules[tuple(words[:-1] if words[-1] == "mod" else words)] = path
    homes = collections.defaultdict(set)
    for path, code in files.items():
        for match in IMPL.finditer(code):
            body = code[match.start() : block(code, match.end() - 1)]
            for name in FN.findall(body):
                homes[match.group(1), name].add(path)
    edges = {path: set() for path in files}
    for module, path in modules.items():
        code = files[path]
        for words in used(code):
            place = list(module)
            while words and words[0] in ("self", "super", "crate"):
                place = {"self": place, "super": place[:-1], "crate": []}[words[0]]
                words = words[1:]
                if not words or words[0] != "super":
                    break
            found = [*place, *words]
            while found and tuple(found) not in modules:
                found.pop()
            if found:
                edges[path].add(modules[tuple(found)])
        for match in IMPL.finditer(code):
            body = code[match.start() : block(code, match.end() - 1)]
            for name in re.findall(r"\b(?:self\.|Self::)(\w+)\(", body):
                edges[path] |= homes[match.group(1), name] if len(homes[match.group(1), name]) == 1 else set()
        edges[path].discard(path)
    return max(map(len, components(edges)), default=0)


def components(edges):
    """Sets of files that reach each other."""
    reach = {}
    for start in edges:
        seen, todo = set(), [start]
        while todo:
            for other in edges[todo.pop()] - seen:
                seen.add(other)
                todo.append(other)
        reach[start] = seen
    for start in edges:
        yield {start} | {other for other in reach[start] if start in reach[other]}


class House:
    """What was found in a tree."""

    def __init__(self, root):
        self.crates = collections.Counter()
        self.tests = collections.Counter()
        self.why = collections.Counter()
        self.methods = collections.defaultdict(lambda: [0, set()])
        self.names = collections.Counter()
        self.paths = {name: set() for name in PATHS}
        self.folders = {folder: [{}, 0, 0] for folder in CIRCLES}
        self.long = []
        files = {}
        for crate in CRATES:
            for path in sorted((root / crate).rglob("*.rs")):
                inside = path.relative_to(root / crate)
                if inside.parts[0] in ("src", "tests", "benches", "examples", "build.rs"):
                    text = path.read_text()
                    files[path.relative_to(root)] = crate, text, blank(text)
        tests = {name for path, (*_, code) in files.items() for name in test_files(path, code)}
        for path, (crate, text, code) in files.items():
            self.read(crate, path, text, code, is_test(path) or bool({path, *path.parents} & tests))

    def read(self, crate, path, text, code, all_tests):
        code, tests = without_tests(code)
        for folder, found in self.folders.items():
            if path.is_relative_to(folder):
                found[1 if not all_tests else 2] += lines(code)
                found[2] += lines(tests)
                if not all_tests:
                    found[0][path.relative_to(pathlib.Path(folder).parent)] = code
        if all_tests:
            self.tests[crate] += lines(code) + lines(tests)
            return
        self.crates[crate] += lines(code)
        self.tests[crate] += lines(tests)
        self.names.update(name for name in ITEM.findall(code) if name)
        for match in IMPL.finditer(code):
            if " for " in match.group():
                continue
            count = len(FN.findall(code[match.start() : block(code, match.end() - 1)]))
            entry = self.methods[f"{crate}::{match.group(1)}"]
            entry[0] += count
            entry[1].add(path)
        for name, (crates, words) in PATHS.items():
            if crate in crates and "src" in path.parts and re.search(words, code):
                self.paths[name].add(path)
        raw = text.splitlines()
        for name, first, last in functions(code):
            self.why[crate] += sum(1 for line in raw[first:last] if re.match(r"\s*//[^/!]", line))
            if last - first + 1 > FUNCTION_MAX:
                self.long.append(("function", f"{path}:{first + 1} {name}", last - first + 1))
        if len(raw) > FILE_MAX:
            self.long.append(("file", str(path), len(raw)))

    def rows(self):
        """Kind, name, count, second count."""
        for crate in CRATES:
            yield "crate", crate, self.crates[crate], self.tests[crate], self.why[crate]
        yield "crate", "all", self.crates.total(), self.tests.total(), self.why.total()
        most = sorted(self.methods.items(), key=lambda entry: (-entry[1][0], entry[0]))
        for name, (count, files) in most[:10]:
            yield "methods", name, count, len(files), ""
        for name, files in self.paths.items():
            yield "path", name, len(files), "", ""
        for folder, (files, product, tests) in self.folders.items():
            yield "circle", folder, circle(files), "", ""
            yield "tests", folder, product, tests, ""
        for name, count in sorted(self.names.items(), key=lambda entry: (-entry[1], entry[0])):
            if count > 1:
                yield "definitions", name, count, "", ""
        for kind, name, count in sorted(self.long):
            yield kind, name, count, "", ""


def ceilings(house, limits):
    """What is above its ceiling, a line each."""
    product, tests = house.crates.total(), house.tests.total()
    found = {
        "product_lines": product,
        "methods_of_a_type": max(count for count, _ in house.methods.values()),
        "files_of_a_type": max(len(files) for _, files in house.methods.values()),
        "definitions_of_a_name": max(house.names.values()),
        "names_defined_twice": sum(1 for count in house.names.values() if count > 1),
        "functions_over_70_lines": sum(1 for kind, *_ in house.long if kind == "function"),
    }
    for name, files in house.paths.items():
        found["files: " + name] = len(files)
    for folder, (files, *_) in house.folders.items():
        found["circle: " + folder] = circle(files)
    for name, count in found.items():
        if name not in limits:
            yield f"{name}: {count}, and scripts/house.toml has no ceiling"
        elif count > limits[name]:
            yield f"{name}: {count}; allowed {limits[name]}"
    for name in sorted(set(limits) - set(found) - {"tests_over_product_percent"}):
        yield f"scripts/house.toml: {name}: is no measure"
    if tests * 100 < product * limits["tests_over_product_percent"]:
        yield f"tests_over_product_percent: {tests * 100 // product}; at least {limits['tests_over_product_percent']}"


def table(house):
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["kind", "name", "first", "second", "third"])
    writer.writerows(house.rows())
    return out.getvalue()


def main(words):
    house = House(ROOT)
    match words:
        case []:
            print(table(house), end="")
        case ["--write", folder]:
            folder = pathlib.Path(folder)
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "house.csv").write_text(table(house))
            commit = subprocess.run(
                ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
            )
            made = {"commit": commit.stdout.strip(), "command": f"scripts/house.py --write {folder}"}
            (folder / "made.json").write_text(json.dumps(made, indent=2) + "\n")
        case ["--check"]:
            limits = tomllib.loads((ROOT / "scripts/house.toml").read_text())
            faults = [*ceilings(house, limits)]
            for fault in faults:
                print(fault)
            return 1 if faults else 0
        case _:
            print(__doc__.strip(), file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
