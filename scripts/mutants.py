#!/usr/bin/env python3
"""Changes the files of scripts/mutants.toml in every way that cargo-mutants knows, and counts what tests notice.

Usage: scripts/mutants.py [--check] [--sample N] [--mark] [--again] [--survivors] [MODULE|FILE...]

  --check     runs nothing: looks whether the report in results/mutants is of the code that is here
  --sample N  runs N mutants, drawn by the commit; where cargo-mutants is missing it says so
  --mark      notes in scripts/mutants.toml every file whose code has changed since its report
  --again     makes also those reports that are of the code that is here
  --survivors runs those mutants alone that the report lets live, after a test was made better
  MODULE|FILE only these

Works on a copy of the commit that is checked out, in target/mutants. The mutants of a module are woven
into one program (scripts/weave.py), so that one costs what its tests cost. What is done is in the
report after each module, so a run that was stopped goes on there.
Exit codes: 0 every mutant is noticed or listed, 1 one is not, 2 usage or a report that is behind.
"""

import argparse
import csv
import hashlib
import json
import os
import pathlib
import random
import re
import shutil
import subprocess
import sys
import tomllib

sys.dont_write_bytecode = True
import weave  # noqa: E402
from faults import Misfit, alone, cut, manifest  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE = ROOT / "scripts" / "mutants.toml"
REPORT = ROOT / "results" / "mutants" / "mutants.csv"
LIST = ROOT / "results" / "mutants" / "survivors.csv"
COLUMNS_LIST = ["file", "mutant", "line"]
KINDS = ["caught", "timeout", "missed", "unviable"]
COLUMNS = ["module", "file", "code", "mutants", *KINDS]
BEHIND_MAX = 10
# Seconds for all unit tests of a package. A mutant with which they do not end is noticed too.
PATIENCE_ALL = 300
# Cases of a property in the first run of a mutant; what these let live is tried with all of them.
CASES_FIRST = 200
# No optimizing and no shrinking of what a property has found: most of the time is compiling.
QUICK = {
    "CARGO_INCREMENTAL": "1",
    "CARGO_PROFILE_DEV_DEBUG": "0",
    "CARGO_PROFILE_DEV_OPT_LEVEL": "0",
}


class Behind(Exception):
    """A report that is not of the code that is here, or a wrong word on the command line."""


def files(table):
    """Each file with its module."""
    return [(module, name) for module in table["module"] for name in module["files"]]


def load(path=FILE):
    """The file as it stands: its modules, survivors and files behind."""
    with open(path, "rb") as file:
        table = tomllib.load(file)
    for survivor in table.get("survivor", []):
        if set(survivor) != {"file", "mutant", "line", "reason"} or not survivor["reason"]:
            raise Behind(f"mutants.toml: a survivor has file, mutant, line and reason: {survivor}")
    return table


def code(text):
    """A digest of the code in a source: without tests, comments and the way it is laid out."""
    text = re.split(r"^#\[cfg\(test\)\]\nmod tests\b", text, maxsplit=1, flags=re.MULTILINE)[0]
    lines = (line.strip() for line in text.splitlines())
    kept = [line for line in lines if line and not line.startswith("//")]
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()[:16]


def rows(path=REPORT):
    """The report, by file."""
    if not path.is_file():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def changed(table, report, root=ROOT):
    """The files whose code is not that of their report."""
    return [name for _, name in files(table) if name in report
            if not (root / name).is_file()
            or code((root / name).read_text(encoding="utf-8")) != report[name]["code"]]


def check(table, report, lives, root=ROOT):
    """What the report says, in lines, if it is of the code that is here or noted as behind."""
    known = {name for _, name in files(table)}
    for name in [*report, *table["behind"]]:
        if name not in known:
            raise Behind(f"{name}: is in no module of mutants.toml")
    for name in sorted(known):
        if not (root / name).is_file():
            raise Behind(f"{name}: is not there; take it out of mutants.toml")
    late = changed(table, report, root)
    for name in late:
        if name not in table["behind"]:
            raise Behind(f"{name}: its code has changed since its mutants were run: run scripts/mutants.py "
                         "for it, or note it with --mark")
    for name in table["behind"]:
        if name not in late:
            raise Behind(f"{name}: is not behind; take it out of that list of mutants.toml")
    if len(late) > BEHIND_MAX:
        raise Behind(f"{len(late)} files are behind, allowed are {BEHIND_MAX}: run scripts/mutants.py")
    of_now = {survivor for survivor in lives if survivor[0] not in late}
    for survivor in sorted(of_now - listed(table)):
        raise Behind(f"{' | '.join(survivor)}: lives, and mutants.toml gives no reason")
    for survivor in sorted(name for name in listed(table) - of_now if name[0] not in late):
        raise Behind(f"{' | '.join(survivor)}: does not live; take it out of mutants.toml")
    counts = [sum(int(row[column]) for row in report.values()) for column in COLUMNS[3:]]
    words = "{} files, {} mutants: {} caught, {} by not ending, {} live for a reason, {} do not compile"
    return [words.format(len(report), *counts), *(f"behind: {name}" for name in late),
            *(f"not run: {name}" for name in sorted(known - set(report)))]


def listed(table):
    """The survivors that have a reason: file, mutant and line of each."""
    return {(one["file"], one["mutant"], one["line"]) for one in table.get("survivor", [])}


def alive(path=LIST):
    """The survivors of the report."""
    if not path.is_file():
        return set()
    with open(path, newline="", encoding="utf-8") as file:
        return {(row["file"], row["mutant"], row["line"]) for row in csv.DictReader(file)}


def every(module, names, tree, env):
    """All mutants of files, as cargo-mutants lists them."""
    words = ["cargo", "mutants", "--list", "--json", "--package", module["package"]]
    for name in names:
        words += ["--file", name]
    listing = json.loads(subprocess.check_output(words, cwd=tree, env=env, text=True, stderr=subprocess.DEVNULL))
    sources = {name: (tree / name).read_text(encoding="utf-8") for name in names}
    return [weave.Mutant(number, one, sources[one["file"]]) for number, one in enumerate(listing, 1)]


def fewer_cases(tree, name):
    """Lets the properties beside a file try fewer cases; which files this changes."""
    changed_files = []
    for path in (tree / name.split("/src/")[0] / "src").rglob("*.rs"):
        text = path.read_text(encoding="utf-8")
        fewer = re.sub(r"(\bCASES: u32 = |with_cases\()[\d_]+", rf"\g<1>{CASES_FIRST}", text)
        if fewer != text:
            path.write_text(fewer, encoding="utf-8")
            changed_files.append(path)
    return changed_files


def own_tests(name):
    """What the names of the tests in a file begin with."""
    return name.split("/src/")[1].removesuffix(".rs").removesuffix("/mod").replace("/", "::") + "::"


def trial(program, found, tests, folder):
    """Tries mutants that are in a program with the tests that begin so; those that live."""
    if not found:
        return []
    bound = weave.limits(program, tests, folder)
    for mutant in found:
        mutant.fate, _ = weave.tried(program, tests, mutant.number, folder, bound)
    return [mutant for mutant in found if mutant.fate == "missed"]


def alone_in(mutant, tests, module, tree, env):
    """Tries a mutant that cannot be woven, in a program of its own, with one selection of tests after the
    other."""
    path = tree / mutant.file
    source = path.read_text(encoding="utf-8")
    path.write_text(source[:mutant.at[0]] + mutant.put + source[mutant.at[1]:], encoding="utf-8")
    try:
        programs, _ = weave.compiled(["--lib", "-p", module["package"]], tree, env)
    finally:
        path.write_text(source, encoding="utf-8")
    if not programs:
        mutant.fate = "unviable"
        return
    [program] = programs.values()
    folder = tree / mutant.file.split("/src/")[0]
    for selection in tests:
        bound = (module["patience_s"], 10 * module["patience_s"])
        mutant.fate, _ = weave.tried(program, selection, 0, folder, bound)
        if mutant.fate != "missed":
            return


def fates(module, found, tree, env):
    """What becomes of mutants of a module: the tests of the file are tried, then those of the module, both
    with few cases of each property, and at last all that are left, with all cases."""
    folder = tree / found[0].file.split("/src/")[0]
    cut(tree, found[0].file, module.get("keep"))
    few = fewer_cases(tree, found[0].file)
    try:
        programs, lives, broken, slow = weave.build(found, ["--lib", "-p", module["package"]], tree, env)
        [program] = programs.values()
        for mutant, _ in broken:
            mutant.fate = "unviable"
        if module.get("own"):
            lives = [one for name in sorted({one.file for one in lives})
                     for one in trial(program, [one for one in lives if one.file == name], own_tests(name), folder)]
        lives = trial(program, lives, module["tests"], folder)
        print(f"{module['name']}: {len(found)} mutants, {len(lives)} live so far, {len(slow)} alone", flush=True)
        for mutant in slow:
            own = [own_tests(mutant.file)] if module.get("own") else []
            alone_in(mutant, [*own, module["tests"]], module, tree, env)
    finally:
        if few:
            subprocess.run(["git", "-C", str(tree), "checkout", "--quiet", "--", *map(str, few)], check=True)
    if lives:
        programs, lives, _, _ = weave.build(lives, ["--lib", "-p", module["package"]], tree, env)
        [program] = programs.values()
        trial(program, lives, "", folder)
    for mutant in (one for one in slow if one.fate == "missed"):
        alone_in(mutant, [""], {**module, "patience_s": PATIENCE_ALL}, tree, env)


def put(report, lives):
    """Writes the report."""
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    for path, columns, table in (
        (REPORT, COLUMNS, [list(report[name].values()) for name in sorted(report)]),
        (LIST, COLUMNS_LIST, sorted(lives)),
    ):
        with open(path, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(table)


def make(table, names, tree, env, only_alive=False):
    """Makes the report of these files, and writes it after each module; how many live without a reason."""
    report, lives, new = rows(), alive(), 0
    for module in table["module"]:
        wanted = [name for name in module["files"] if name in names]
        found = every(module, wanted, tree, env) if wanted else []
        if only_alive:
            found = [one for one in found if one.key() in lives]
        if not found:
            continue
        fates(module, found, tree, env)
        for name in wanted:
            here = [one for one in found if one.file == name]
            counts = {kind: sum(one.fate == kind for one in here) for kind in KINDS}
            if only_alive:
                if not here:
                    continue
                # Two mutants of a line may have the same words, so that one that was caught is here too.
                before = report[name]
                counts["unviable"] = int(before["unviable"])
                counts["timeout"] += int(before["timeout"])
                counts["caught"] = int(before["mutants"]) - counts["missed"] - counts["timeout"] - counts["unviable"]
            text = (tree / name).read_text(encoding="utf-8")
            report[name] = {"module": module["name"], "file": name, "code": code(text),
                            "mutants": sum(counts.values()), **counts}
            missed = {one.key() for one in here if one.fate == "missed"}
            lives = {one for one in lives if one[0] != name} | missed
            print(f"{name}: {counts}", flush=True)
            for one in sorted(missed - listed(table)):
                new += 1
                print(f"LIVES {' | '.join(one)}", flush=True)
        put(report, lives)
    return new


def sample(table, count, commit, tree, env):
    """Runs some mutants of the report, drawn by the commit; how many live without a reason."""
    if not shutil.which("cargo-mutants"):
        print("skipped: no cargo-mutants here (cargo install cargo-mutants --locked)")
        return 0
    late = set(table["behind"])
    drawn_from = [(module, name) for module, name in files(table)
                  if name in rows() and name not in late and module["package"] == "fairhaul-core"]
    draw, new = random.Random(commit), 0
    for module, name in draw.sample(drawn_from, min(count, len(drawn_from))):
        drawn = draw.choice(every(module, [name], tree, env))
        fates(module, [drawn], tree, env)
        print(f"{'LIVES' if drawn.fate == 'missed' else 'caught'} {drawn.row}", flush=True)
        new += drawn.fate == "missed" and drawn.key() not in listed(table)
    return new


def mark(table, report):
    """Notes the files that are behind, in place of those that were."""
    late = changed(table, report)
    text = FILE.read_text(encoding="utf-8")
    names = "".join(f'  "{name}",\n' for name in late)
    entry = f"behind = [\n{names}]" if late else "behind = []"
    FILE.write_text(re.sub(r"^behind = \[.*?\]", entry, text, flags=re.MULTILINE | re.DOTALL), encoding="utf-8")
    print("\n".join(late) or "no file is behind")


def copy(work, commit):
    """A copy of the commit, in which files may be changed."""
    git = ["git", "-C", str(ROOT)]
    tree = work / "tree"
    subprocess.run([*git, "worktree", "prune"], check=True)
    if tree.exists():
        subprocess.run([*git, "worktree", "remove", "--force", str(tree)], check=True)
    subprocess.run([*git, "worktree", "add", "--quiet", "--detach", str(tree), commit], check=True)
    return tree


def chosen(table, words, report, again):
    """The files that a command line names, of which the report is not of the code that is here."""
    known = {word for module, name in files(table) for word in (module["name"], name)}
    for word in words:
        if word not in known:
            raise Behind(f"no module or file {word}; modules are "
                         f"{', '.join(module['name'] for module in table['module'])}")
    names = [name for module, name in files(table) if not words or module["name"] in words or name in words]
    late = set(changed(table, report))
    return [name for name in names if again or name not in report or name in late]


def main():
    """Runs what the command line says."""
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--sample", type=int)
    parser.add_argument("--mark", action="store_true")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--survivors", action="store_true")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    table, report = load(), rows()
    if options.mark:
        mark(table, report)
        return 0
    if options.check:
        print("\n".join(check(table, report, alive())))
        return 0
    work = ROOT / "target" / "mutants"
    work.mkdir(parents=True, exist_ok=True)
    _alone = alone()
    commit = subprocess.check_output(["git", "-C", str(ROOT), "rev-parse", "HEAD"], text=True).strip()
    tree = copy(work, commit)
    try:
        env = {"CARGO_TARGET_DIR": str(ROOT / "target"), **os.environ, **QUICK}
        if options.sample is not None:
            new = sample(table, options.sample, commit, tree, env)
        else:
            names = chosen(table, options.names, report, options.again or options.survivors)
            new = make(table, names, tree, env, options.survivors)
            manifest(REPORT.parent, "scripts/mutants.py", commit)
    finally:
        subprocess.run(["git", "-C", str(ROOT), "worktree", "remove", "--force", str(tree)], check=False)
    return 1 if new else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Behind, Misfit, ValueError) as why:
        print(f"mutants.py: {why}", file=sys.stderr)
        sys.exit(2)
