#!/usr/bin/env python3
"""Checks the documents: links lead somewhere, columns are described, and commands that are shown work.

Usage: docs.py links            README.md, ARCHITECTURE.md, CHANGELOG.md, ... and docs/**/*.md
       docs.py tables           docs/reference/tables.md and the tables of the lab in results/
       docs.py commands         README.md, docs/tutorial.md, docs/nodes.md and
                                docs/guide-two-commands.md are followed to the letter in a new folder;
                                of all other pages each program, subcommand and option has to be there

Links: a relative link names a file that is there, and its anchor a heading of it; every page of
docs/ is in docs/SUMMARY.md. Links to other hosts are not followed. README.md has at most 900 words,
without commands and what they print.

Tables: every column of a committed table of a result of the lab is on the page, in the section of
its table, and every column of the page is in a committed table. Axes are no columns of the page,
and a class at the end of a column's name is not part of it. A result is of the lab if its manifest
says so and is not of a measurement.

Commands: in the tutorial every block of TOML that is called a file is written, and every line of a
block of commands is run; each has to end with 0. `cargo run --release` stands for the program that
is built: FAIRLAB, else target/debug/fairlab; examples and fairhaul lie beside it. In README.md and
docs/guide-two-commands.md each `$` line is run in a clone of the commit, and what it prints is what
the page shows under it; what it installs comes from RELEASE, a folder made by scripts/release.sh.
docs/nodes.md is one session of a shell in such a clone. Other pages are about machines that
are not here, so there `$ PROGRAM ...` is held to what the program knows: a script has the option in
its text, a program in its --help. What is not built is said and left out.

Exit codes: 0 all is as it should be, 1 something is wrong, a line each, 2 usage.
"""

import csv
import functools
import json
import os
import pathlib
import re
import shlex
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^()\s]+)\)|!\[[^\]]*\]\(([^()\s]+)\)")
FENCE = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+\s+(.*)$", re.MULTILINE)
OPTION = re.compile(r"--[a-z][a-z-]*")
# Blocks of commands have no language, or one of these.
SHELL = ("", "sh", "console")
README_WORDS = 900
# The page of the tables of a result, and the head of each of its lists of columns.
TABLES = "docs/reference/tables.md"
COLUMNS = "| column | unit | meaning |"
# Tables on that page of which none is committed, and why.
UNSEEN = {
    "pairs.csv": "the largest table, which no committed scenario asks for",
    "tried.csv": "a search is made again by its page's command, so its result is not committed",
    "finds.csv": "as tried.csv",
}
# Where the scripts lie that pages show.
OURS = ("scripts/", "deploy/", "fuzz/", ".ci/")


def pages(root):
    """Every document of the tree."""
    return sorted(root.glob("*.md")) + sorted((root / "docs").rglob("*.md"))


def anchors(text):
    """Anchors of the headings of a page, as GitHub and mdBook make them."""
    found = set()
    for heading in HEADING.findall(FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        found.add(re.sub(r"[^\w\- ]", "", plain).strip().replace(" ", "-"))
    return found


def links(root):
    """Faults of the links, a line each."""
    for page in pages(root):
        text = page.read_text()
        bare = FENCE.sub(lambda m: "\n" * m.group(0).count("\n"), text)
        for match in LINK.finditer(bare):
            target = match.group(1) or match.group(2)
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            to = (page.parent / path) if path else page
            where = f"{page.relative_to(root)}:{bare.count(chr(10), 0, match.start()) + 1}"
            if not to.exists():
                yield f"{where}: {target}: no such file"
            elif anchor and to.suffix == ".md" and anchor not in anchors(to.read_text()):
                yield f"{where}: {target}: no such heading"
    readme = root / "README.md"
    text = re.sub(r"<!--.*?-->", "", readme.read_text() if readme.exists() else "", flags=re.DOTALL)
    if (count := len(FENCE.sub("", text).split())) > README_WORDS:
        yield f"README.md: {count} words, allowed are {README_WORDS}"
    summary = (root / "docs/SUMMARY.md").read_text()
    for page in sorted((root / "docs").rglob("*.md")):
        name = page.relative_to(root / "docs").as_posix()
        if name != "SUMMARY.md" and f"({name})" not in summary:
            yield f"docs/SUMMARY.md: docs/{name} is not in it"


def base(column):
    """What the page calls a column: N is the length of its window in seconds, and its class goes."""
    return re.sub(r"_\d[\d.]*s(?=\.|$)", "_Ns", column).split(".")[0]


def described(text):
    """Columns that the page of tables describes, by the heading of their section."""
    found, section, is_row = {}, "", False
    for line in text.splitlines():
        if line.startswith("## "):
            section = line[3:].strip("`")
        is_row = line == COLUMNS or (is_row and line.startswith("|"))
        if is_row:
            names = re.findall(r"`([^`]+)`", line.split("|")[1])
            found.setdefault(section, set()).update(map(base, names))
    return found


def header(path):
    """Names of the columns of a table."""
    with path.open(newline="") as table:
        return next(csv.reader(table), [])


def committed(root):
    """Tables of the lab in results/, each with its columns as the page calls them, without axes."""
    for path in sorted((root / "results").rglob("*.csv")):
        manifest, runs = path.with_name("manifest.json"), path.with_name("runs.csv")
        made = json.loads(manifest.read_text()) if manifest.exists() else {}
        of_lab = made.get("format", "").startswith("fairlab result") and made.get("world") != "measured"
        # Two worlds are compared in a folder of their own.
        if of_lab or path.name == "worlds.csv":
            keys = header(runs) if of_lab and runs.exists() else ["cell", "trace_digest"]
            axes = keys[keys.index("cell") + 1 : keys.index("trace_digest")]
            yield path, {base(column) for column in header(path) if column not in axes}


def tables(root):
    """Faults of the page of tables, a line each."""
    page = described((root / TABLES).read_text())
    keys = set().union(*(columns for name, columns in page.items() if not name.endswith(".csv")))
    seen = {}
    for path, columns in committed(root):
        where, known = path.relative_to(root), seen.setdefault(path.name, set())
        for column in sorted(columns - known - page.get(path.name, set()) - keys):
            yield f"{TABLES}: {path.name} has no column {column}, which {where} has"
        known |= columns
    for name, columns in page.items():
        there = seen.get(name, set()) if name.endswith(".csv") else set().union(*seen.values())
        if name in UNSEEN and there:
            yield f"{TABLES}: {name} is in results/, and scripts/docs.py says that it is not"
        for column in sorted(columns - there) if name not in UNSEEN else ():
            yield f"{TABLES}: {name} has a column {column}, which no table in results/ has"


def blocks(text, prompt):
    """Commands of the blocks of a page, with lines that go on put together."""
    for language, body in FENCE.findall(text):
        if language.strip() not in SHELL:
            continue
        for line in body.replace("\\\n", " ").splitlines():
            if not prompt and line.strip() and not line.lstrip().startswith("#"):
                yield line
            elif prompt and line.startswith("$ "):
                yield line[2:]


def programs(lab):
    """Where programs are, by what documents call them."""
    return {name: lab.with_name(name) for name in ("fairlab", "fairlab-emulate", "fairhaul")}


def tutorial(root, lab, folder):
    """Follows the tutorial in `folder`; faults, a line each."""
    text = (root / "docs/tutorial.md").read_text()
    (folder / "experiments").symlink_to(root / "experiments")
    scenario = next((body for language, body in FENCE.findall(text) if language == "toml"), "")
    (folder / "mine.toml").write_text(scenario)
    for line in blocks(text, prompt=False):
        words = shlex.split(line, comments=True)
        if words[:3] != ["cargo", "run", "--release"]:
            yield f"docs/tutorial.md: {line}: not a command that this check can run"
            continue
        program, rest = lab, words[3:]
        if rest[:1] == ["--example"]:
            program, rest = lab.parent / "examples" / rest[1], rest[2:]
        if not program.exists():
            print(f"skipped: {program} is not built: {line}")
            continue
        ended = subprocess.run(
            [str(program), *rest[1:]], cwd=folder, capture_output=True, text=True, check=False
        )
        if ended.returncode != 0:
            last = ended.stderr.strip().splitlines()[-1:]
            yield f"docs/tutorial.md: {line}: ended with {ended.returncode}: {' '.join(last)}"


def knows(root, lab, words):
    """What is missing of a command; none if all of it is there or it cannot be looked at."""
    name, options = words[0], [word for word in words[1:] if OPTION.fullmatch(word)]
    script = root / name
    if "/" in name:
        if not os.access(script, os.X_OK):
            return f"no program {name}"
        # A script may hand its options on to the one that it is the door of.
        text = "".join(path.read_text() for path in sorted((root / name).parent.glob("*")) if path.is_file())
        text += "".join(path.read_text() for path in (root / "deploy").glob("ssh/*.sh"))
        missing = [option for option in options if option not in text]
    elif name in programs(lab):
        program = programs(lab)["fairlab-emulate" if words[1:2] == ["deploy"] else name]
        if not program.exists():
            print(f"skipped: {program} is not built: {shlex.join(words)}")
            return None
        asked = subprocess.run(
            [str(program), words[1], "--help"], capture_output=True, text=True, check=False
        )
        if asked.returncode != 0:
            return f"{name} has no command {words[1]}"
        missing = [option for option in options if option not in asked.stdout]
    else:
        return None
    return f"{name} has no option {missing[0]}" if missing else None


def shown(root):
    """Pages whose commands are held to what programs know: all but those that are followed."""
    for page in pages(root):
        name = page.relative_to(root).as_posix()
        if name not in FOLLOWED and "decisions/" not in name:
            yield name, page.read_text()


def known(root, lab):
    """Faults of the commands that pages show, a line each."""
    for name, text in shown(root):
        prompt = re.search(r"^\$ ", text, re.MULTILINE) is not None
        lines = [*blocks(text, prompt)]
        if not lines and "/guide-" in name:
            yield f"{name}: shows no command"
        for line in lines:
            for command in re.split(r"&&|\|\||[;|&]", line):
                try:
                    words = shlex.split(command, comments=True)
                except ValueError:
                    continue
                if words[:1] == ["sudo"]:
                    words = words[1:]
                if words and (words[0].startswith(OURS) or words[1:] and words[0] in programs(lab)):
                    fault = knows(root, lab, words)
                else:
                    fault = None
                if fault:
                    yield f"{name}: {line}: {fault}"


class Clone:
    """A clone of the commit in a new folder, with the programs that are built in front of all others."""

    def __init__(self, root, lab, folder):
        self.lab, self.at, self.home = lab, folder / "clone", folder
        run = subprocess.run(
            ["git", "clone", "--quiet", "--no-hardlinks", str(root), str(self.at)],
            capture_output=True, text=True, check=False,
        )
        if run.returncode != 0:
            raise Unready(f"no clone: {run.stderr.strip()}")
        release = os.environ.get("RELEASE")
        self.release = pathlib.Path(release).absolute() if release else None
        fairhaul = pathlib.Path(os.environ.get("FAIRHAUL") or lab.with_name("fairhaul")).absolute()
        beside = folder / "bin"
        beside.mkdir()
        for name, program in {**programs(lab), "fairhaul": fairhaul}.items():
            if program.exists():
                (beside / name).symlink_to(program)
        self.env = {**os.environ, "PATH": f"{beside}:{os.environ['PATH']}", "HOME": str(folder)}
        self.env.pop("XDG_DATA_HOME", None)

    def has(self, name):
        return (self.home / "bin" / name).exists()

    def run(self, line, at=None):
        """What a command printed to both streams, and its exit code."""
        ended = subprocess.run(
            ["bash", "-c", line], cwd=at or self.at, env=self.env, check=False, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
        )
        return ended.stdout, ended.returncode


class Unready(Exception):
    """What a check needs and does not find."""


def parts(text):
    """Commands of a page's blocks, each with what the page shows under it."""
    for language, body in FENCE.findall(text):
        if language.strip() in SHELL and "$ " in body:
            for part in re.split(r"^\$ ", body, flags=re.MULTILINE)[1:]:
                line, _, under = part.partition("\n")
                yield line, under.strip("\n")


def sizes(text):
    """A text in which every size is the same one: the file of the example is smaller here."""
    return re.sub(r"[\d.]+ ([kMGT]i?)?B\b", "SIZE", text)


def first_table(text):
    """The block that README fills in from the committed overview of the default scenario."""
    return next((body for language, body in FENCE.findall(text) if body.startswith("policy ")), "")


def readme(root, lab, folder, page="README.md"):
    """Follows README.md, or a page whose commands are among its, in a clone; faults, a line each."""
    text = (root / page).read_text()
    clone = Clone(root, lab, folder)
    (clone.at / "holiday.mp4").write_bytes(os.urandom(3_000_000))
    sender, ticket = None, ""
    try:
        for line, under in parts(text):
            words = shlex.split(line, comments=True)
            where = f"{page}: {line.split('  #')[0].strip()}"
            if words[:2] == ["cargo", "run"]:
                said, code = clone.run("fairlab")
                if code != 0:
                    yield f"{where}: ended with {code}: {said.strip().splitlines()[-1:]}"
                elif first_table(text).splitlines()[0] not in said:
                    yield f"{where}: prints another table than README shows"
            elif words[:2] == ["cargo", "install"]:
                package = root / words[words.index("--path") + 1] / "Cargo.toml"
                if not package.exists():
                    yield f"{where}: no package there"
            elif words[:1] == ["tar"] or words[:3] == ["sudo", "apt", "install"]:
                fault = installs(clone, words)
                if fault:
                    yield f"{where}: {fault}"
            elif words[:2] == ["fairhaul", "send"]:
                if not clone.has("fairhaul"):
                    print(f"skipped: fairhaul is not built: {line}")
                    continue
                sender = subprocess.Popen(
                    words, cwd=clone.at, env=clone.env, text=True, stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                )
                heard = [sender.stdout.readline().rstrip("\n") for _ in under.splitlines()]
                ticket = heard[-1].split()[-1] if heard and heard[-1].split() else ""
                if sizes("\n".join(heard)).replace(ticket, "fhs1-…") != sizes(under):
                    yield f"{where}: prints {heard}"
            elif words[:2] == ["fairhaul", "get"]:
                if sender is None:
                    continue
                to = clone.home / "there"
                to.mkdir()
                said, code = clone.run(line.replace(words[2], ticket), to)
                if code != 0 or sender.wait(timeout=60) != 0:
                    yield f"{where}: ended with {code}: {said.strip().splitlines()[-1:]}"
                elif (to / "holiday.mp4").read_bytes() != (clone.at / "holiday.mp4").read_bytes():
                    yield f"{where}: another file has come"
            else:
                fault = knows(root, lab, words)
                if fault:
                    yield f"{where}: {fault}"
    finally:
        if sender is not None:
            sender.kill()
            sender.wait()
            sender.stdout.close()


def installs(clone, words):
    """What is wrong with a command that installs from a release; none if it works."""
    if clone.release is None:
        print(f"skipped: RELEASE names no folder: {shlex.join(words)}")
        return None
    name = pathlib.PurePath(words[-1]).name
    if not (clone.release / name).exists():
        return f"the release has no {name}, but {', '.join(sorted(p.name for p in clone.release.iterdir()))}"
    if words[0] != "tar":
        # deploy/test/package.sh installs and removes it.
        return None
    said, code = clone.run(shlex.join([*words[:-1], str(clone.release / name)]), clone.home)
    if code != 0:
        return f"ended with {code}: {said.strip()}"
    for program in ("fairhaul", "fairlab"):
        said, code = clone.run(f"*/bin/{program} --version", clone.home)
        if code != 0:
            return f"{program} does not run: {said.strip()}"
    return None


def nodes(root, lab, folder):
    """Follows docs/nodes.md as one session of a shell in a clone; faults, a line each."""
    clone = Clone(root, lab, folder)
    if not clone.has("fairhaul"):
        print("skipped: fairhaul is not built, so docs/nodes.md was not followed")
        return
    lines = [line for line in blocks((root / "docs/nodes.md").read_text(), prompt=False)]
    lines = [line for line in lines if not line.startswith("cargo install")]
    # Which line was the last is what a fault has to say.
    script = "".join(f"echo {shlex.quote('> ' + line)} >&2\n{line}\n" for line in lines)
    ends = "\n".join(f"fairhaul stop -c nodes/{node}/node.toml" for node in "ab")
    waits = "for _ in $(seq 100); do [ -e fetched/README.md ] || sleep 0.1; done\n"
    said, code = clone.run(f"set -e\ntrap {shlex.quote(ends)} EXIT\n{script}{waits}")
    if code != 0:
        yield f"docs/nodes.md: ended with {code}: {' / '.join(said.strip().splitlines()[-3:])}"
    elif not (clone.at / "fetched/README.md").exists():
        yield "docs/nodes.md: nothing was fetched"


def commands(root, lab):
    """Faults of the commands of all documents."""
    if not lab.exists():
        print(f"skipped: {lab} is not built, so no page was followed")
    for name, follow in FOLLOWED.items() if lab.exists() else ():
        with tempfile.TemporaryDirectory() as folder:
            if not (root / name).exists():
                continue
            try:
                yield from follow(root, lab, pathlib.Path(folder))
            except Unready as why:
                print(f"skipped: {name} was not followed: {why}")
    yield from known(root, lab)


# Pages that are followed to the letter.
FOLLOWED = {
    "docs/tutorial.md": tutorial,
    "README.md": readme,
    "docs/guide-two-commands.md": functools.partial(readme, page="docs/guide-two-commands.md"),
    "docs/nodes.md": nodes,
}


def main(words):
    lab = pathlib.Path(os.environ.get("FAIRLAB") or ROOT / "target/debug/fairlab").absolute()
    checks = {"links": links, "tables": tables, "commands": functools.partial(commands, lab=lab)}
    if len(words) != 1 or words[0] not in checks:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    faults = [*checks[words[0]](ROOT)]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
