#!/usr/bin/env python3
"""Checks the documents: links lead somewhere, and commands that are shown work.

Usage: docs.py links            README.md, ARCHITECTURE.md, CHANGELOG.md, ... and docs/**/*.md
       docs.py commands         docs/tutorial.md is followed to the letter in a new folder; of the
                                guides each program, subcommand and option has to be there

Links: a relative link names a file that is there, and its anchor a heading of it; every page of
docs/ is in docs/SUMMARY.md. Links to other hosts are not followed.

Commands: in the tutorial every block of TOML that is called a file is written, and every line of a
block of commands is run; each has to end with 0. `cargo run --release` stands for the program that
is built: FAIRLAB, else target/debug/fairlab; examples and fairhaul lie beside it. A guide is about
machines that are not here, so there `$ PROGRAM ...` is held to what the program knows: a script
has the option in its text, a program in its --help. What is not built is said and left out.

Exit codes: 0 all is as it should be, 1 something is wrong, a line each, 2 usage.
"""

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
    summary = (root / "docs/SUMMARY.md").read_text()
    for page in sorted((root / "docs").rglob("*.md")):
        name = page.relative_to(root / "docs").as_posix()
        if name != "SUMMARY.md" and f"({name})" not in summary:
            yield f"docs/SUMMARY.md: docs/{name} is not in it"


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


def guides(root, lab):
    """Faults of the commands of the guides, a line each."""
    for page in sorted((root / "docs").glob("guide-*.md")):
        shown = [*blocks(page.read_text(), prompt=True)]
        if not shown:
            yield f"docs/{page.name}: shows no command"
        for line in shown:
            for command in re.split(r"&&|\|\||[;|]", line):
                words = shlex.split(command, comments=True)
                if words[:1] == ["sudo"]:
                    words = words[1:]
                if words[:1] == ["export"]:
                    continue
                fault = knows(root, lab, words) if words else None
                if fault:
                    yield f"docs/{page.name}: {line}: {fault}"


def commands(root, lab):
    """Faults of the commands of all documents."""
    if lab.exists():
        with tempfile.TemporaryDirectory() as folder:
            yield from tutorial(root, lab, pathlib.Path(folder))
    else:
        print(f"skipped: {lab} is not built, so the tutorial was not followed")
    yield from guides(root, lab)


def main(words):
    if words not in (["links"], ["commands"]):
        print(__doc__.strip(), file=sys.stderr)
        return 2
    lab = pathlib.Path(os.environ.get("FAIRLAB") or ROOT / "target/debug/fairlab").absolute()
    faults = [*(links(ROOT) if words == ["links"] else commands(ROOT, lab))]
    for fault in faults:
        print(fault)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
