#!/usr/bin/env python3
"""Plants the faults of scripts/faults.toml one after the other and runs the test that must fail.

Usage: scripts/faults.py [--check] [--out FILE] [--sample N] [--package P] [NAME...]

  --check     plants nothing: looks whether each fault still fits the code and its test exists
  --out FILE  the table, as CSV, in which each fault that is run has its row replaced; nothing is
              written without it
  --sample N  only N of them, drawn by the commit, of those first that have no row yet
  --package P only those whose test is in this package
  NAME...     only these

Works on a copy of the commit that is checked out, in target/faults. The faults of a package are woven
into one program (scripts/weave.py), so that one costs what its test costs, with it and without it.
Exit codes: 0 each test failed as it should, 1 one did not, 2 usage or a fault that does not fit.
"""

import argparse
import csv
import fcntl
import functools
import hashlib
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import time
import tomllib

sys.dont_write_bytecode = True
import weave  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parent.parent
FILE = ROOT / "scripts" / "faults.toml"
RESULT = ROOT / "results" / "faults" / "faults.csv"
COLUMNS = ["fault", "edit", "register", "file", "test", "verdict"]
KEYS = {"name", "shows", "file", "find", "put", "package", "target", "test"}
PATIENCE = 300
# What needs nothing else of its package.
ALONE = ("engine/src/content/", "engine/src/store/")
# One test alone runs soon enough without being optimized; most of the time is compiling.
QUICK = {"CARGO_PROFILE_DEV_OPT_LEVEL": "0", "CARGO_PROFILE_DEV_DEBUG": "0",
         "PROPTEST_MAX_SHRINK_ITERS": "0", "RUST_BACKTRACE": "0"}


class Misfit(Exception):
    """A fault that cannot be planted."""


def load(path=FILE):
    """The faults of the file, each with all of its keys."""
    with open(path, "rb") as file:
        faults = tomllib.load(file)["fault"]
    names = set()
    for fault in faults:
        name = fault.get("name", "?")
        wrong = KEYS.symmetric_difference(set(fault) - {"ends"})
        if wrong:
            raise Misfit(f"{name}: keys missing or unknown: {', '.join(sorted(wrong))}")
        if name in names:
            raise Misfit(f"{name}: twice")
        names.add(name)
    return faults


def planted(fault, root=ROOT):
    """The text of the fault's file with the fault in it."""
    path = root / fault["file"]
    if not path.is_file():
        raise Misfit(f"{fault['name']}: no file {fault['file']}")
    text = path.read_text(encoding="utf-8")
    count = text.count(fault["find"])
    if count != 1:
        raise Misfit(f"{fault['name']}: {fault['file']} has its text {count} times, wanted once")
    return text.replace(fault["find"], fault["put"])


@functools.cache
def functions(root):
    """The names of all functions in the sources."""
    crates = (root / crate for crate in ("engine", "simulator", "experiments"))
    sources = (path for crate in crates for path in crate.rglob("*.rs"))
    return {name for path in sources
            for name in re.findall(r"\bfn (\w+)\(", path.read_text(encoding="utf-8"))}


def fits(fault, root=ROOT):
    """Whether the fault can be planted and its test is there."""
    planted(fault, root)
    if fault["test"].rsplit("::", 1)[-1] not in functions(root):
        raise Misfit(f"{fault['name']}: no test {fault['test']}")


def cut(tree, name, kept):
    """Leaves of the package of a file only the modules `kept`, or all of them; it compiles sooner."""
    root = f"{name.split('/src/')[0]}/src/lib.rs"
    text = subprocess.check_output(["git", "-C", str(tree), "show", f"HEAD:{root}"], text=True)
    # A declaration goes with its attributes and with all of its lines.
    item = re.compile(r"(?:#\[[^\n]*\]\n)*(?:pub )?(?:mod|use) (\w+)(?:;|::[^;]*;)\n", re.MULTILINE)
    out = item.sub(lambda found: found[0] if kept is None or found[1] in kept else "", text)
    (tree / root).write_text(out, encoding="utf-8")


def commands(fault):
    """The command that builds the fault's test, and the one that runs it alone."""
    target = fault["target"].split()
    target = [f"--{target[0]}", *target[1:]]
    build = ["cargo", "test", "--quiet", "--locked", "-p", fault["package"], *target]
    return [*build, "--no-run"], [*build, "--", "--exact", "--include-ignored", fault["test"]]


def ended(words, tree, env, patience=PATIENCE):
    """What a command says; None if it does not end in time. Its children end with it."""
    with subprocess.Popen(words, cwd=tree, env=env, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, start_new_session=True) as run:
        try:
            return run.communicate(timeout=patience)[0]
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            return None


def verdict(fault, tree, env):
    """What the fault's test says with the fault in the tree, in a program of its own."""
    path = tree / fault["file"]
    sound = path.read_text(encoding="utf-8")
    path.write_text(planted(fault, tree), encoding="utf-8")
    build, test = commands(fault)
    alone = fault["target"] == "lib" and fault["file"].startswith(ALONE)
    if fault["file"].startswith("engine/src/"):
        cut(tree, fault["file"], ["content", "identity", "store"] if alone else None)
    try:
        built = subprocess.run(build, cwd=tree, env=env, text=True, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT, check=False)
        if built.returncode:
            raise Misfit(f"{fault['name']}: does not compile:\n{built.stdout}")
        said = ended(test, tree, env)
    finally:
        path.write_text(sound, encoding="utf-8")
    return meaning(fault, said)


def meaning(fault, said):
    """Whether the fault was caught, by what its test said, and why."""
    if said is None:
        return "LIVES" if fault.get("ends", True) else "caught", "does not end"
    if re.search(r"test result: FAILED\. 0 passed; 1 failed", said):
        why = re.search(r"panicked at [^\n]*\n([^\n]*)", said)
        return "caught", why.group(1) if why else ""
    if "test result: ok. 1 passed" in said:
        return "LIVES", ""
    raise Misfit(f"{fault['name']}: the test did not run:\n{said[-2000:]}")


def edits(faults, tree):
    """The faults as edits that can be woven into one program."""
    for number, fault in enumerate(faults, 1):
        source = (tree / fault["file"]).read_text(encoding="utf-8")
        first = source.index(fault["find"])
        at = (first, first + len(fault["find"]))
        yield weave.Edit(number, fault["file"], at, fault["put"], weave.around(source, at))


def together(faults, tree, env):
    """Builds the tests of one package once, with all of these faults in them, and says of each what its test
    says with it and without it. Those that cannot be there together come alone."""
    targets = dict.fromkeys(fault["target"] for fault in faults)
    words = ["-p", faults[0]["package"], *(word for target in targets for word in f"--{target}".split())]
    by_number = dict(enumerate(faults, 1))
    programs, woven, broken, slow = weave.build(list(edits(faults, tree)), words, tree, env)
    for edit in woven:
        yield by_number[edit.number], in_program(by_number[edit.number], edit.number, programs, env)
    for edit, why in broken:
        yield by_number[edit.number], Misfit(f"{by_number[edit.number]['name']}: does not compile:\n{why}")
    for edit in slow:
        yield by_number[edit.number], None


def in_program(fault, number, programs, env):
    """What the test of a fault says in a program that has it under this number."""
    kind, _, name = fault["target"].partition(" ")
    [(folder, program)] = [(at, path) for (at, of, called), path in programs.items()
                           if of == kind and name in ("", called)]
    words = [program, "--exact", "--include-ignored", fault["test"]]
    env, begun = {**env, "CARGO_MANIFEST_DIR": folder}, time.monotonic()
    try:
        if meaning(fault, ended(words, folder, {**env, weave.NUMBER: "0"}))[0] != "LIVES":
            return Misfit(f"{fault['name']}: its test fails without it")
        patience = 30 + 10 * (time.monotonic() - begun)
        return meaning(fault, ended(words, folder, {**env, weave.NUMBER: str(number)}, patience))
    except Misfit as misfit:
        return misfit


def verdicts(faults, tree, env):
    """What became of each fault, in whatever order they are tried."""
    left = list(faults)
    for package in dict.fromkeys(fault["package"] for fault in faults):
        for fault, found in together([one for one in faults if one["package"] == package], tree, env):
            # A test may keep the environment from programs that it starts: what lives is tried alone, too.
            if found is not None and (isinstance(found, Misfit) or found[0] == "caught"):
                left.remove(fault)
                yield fault, found
    for fault in left:
        try:
            yield fault, verdict(fault, tree, env)
        except Misfit as misfit:
            yield fault, misfit


def table(path):
    """The rows of a table, by the name of the fault."""
    if not path.is_file():
        return {}
    with open(path, newline="", encoding="utf-8") as file:
        return {row[0]: row for row in list(csv.reader(file))[1:]}


def edit(fault):
    """A digest of what a fault changes and of the test that must find it."""
    text = "\0".join(fault[key] for key in ("file", "find", "put", "package", "test"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def untried(faults, rows):
    """The names of the faults that have no row, or one of an earlier form."""
    return {fault["name"] for fault in faults
            if fault["name"] not in rows or rows[fault["name"]][1] != edit(fault)}


def put(path, rows, faults):
    """Writes the rows of the faults that there are, in their order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(rows[fault["name"]] for fault in faults if fault["name"] in rows)


def manifest(folder, command, commit):
    """Writes the manifest of a table that has changed, with the lab where it is built."""
    lab = os.environ.get("FAIRLAB") or str(ROOT / "target" / "debug" / "fairlab")
    words = ["manifest", str(folder), "--name", folder.name, "--command", command, "--commit", commit]
    if not pathlib.Path(lab).is_file():
        print(f"the manifest is to be written: fairlab {' '.join(words)}")
    else:
        subprocess.run([lab, *words], check=True, stdout=subprocess.DEVNULL)


def alone(root=ROOT):
    """A lock that one run of faults or mutants holds: cargo takes the packages of two copies of this
    repository for the same, so what one builds could be run by the other."""
    (root / "target").mkdir(exist_ok=True)
    lock = open(root / "target" / "changed.lock", "w", encoding="utf-8")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Misfit("another run of faults or mutants uses target") from None
    return lock


def main():
    """Runs what the command line says."""
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--sample", type=int)
    parser.add_argument("--package")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    faults = load()
    known = {fault["name"] for fault in faults}
    for name in options.names:
        if name not in known:
            raise Misfit(f"no fault {name}; there are {', '.join(sorted(known))}")
    for fault in faults:
        fits(fault)
    new = untried(faults, table(RESULT))
    if options.check:
        print(f"{len(faults)} faults fit")
        for name in sorted(new):
            print(f"not in {RESULT.relative_to(ROOT)}: {name}")
        return 0
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.check_output([*git, "rev-parse", "HEAD"], text=True).strip()
    if options.names:
        faults = [fault for fault in faults if fault["name"] in options.names]
    if options.package:
        faults = [fault for fault in faults if fault["package"] == options.package]
    if options.sample is not None:
        random.Random(commit).shuffle(faults)
        faults.sort(key=lambda fault: fault["name"] not in new)
        faults = faults[:options.sample]
    _alone = alone()
    work = ROOT / "target" / "faults"
    tree = work / "tree"
    work.mkdir(parents=True, exist_ok=True)
    subprocess.run([*git, "worktree", "prune"], check=True)
    if tree.exists():
        subprocess.run([*git, "worktree", "remove", "--force", str(tree)], check=True)
    subprocess.run([*git, "worktree", "add", "--quiet", "--detach", str(tree), commit], check=True)
    env = {**os.environ, **QUICK, "CARGO_TARGET_DIR": str(ROOT / "target")}
    rows, misfits, kept = {}, 0, table(options.out) if options.out else {}
    try:
        for fault, found in verdicts(faults, tree, env):
            if isinstance(found, Misfit):
                misfits += 1
                print(f"MISFIT  {found}", flush=True)
                continue
            what, said = found
            print(f"{what:7} {fault['name']:70} {said[:60]}", flush=True)
            rows[fault["name"]] = [fault["name"], edit(fault), " ".join(fault["shows"]),
                                   fault["file"], fault["test"], what]
            if options.out:
                put(options.out, {**kept, **rows}, load())
    finally:
        subprocess.run([*git, "worktree", "remove", "--force", str(tree)], check=False)
    if options.out and options.out.resolve() == RESULT:
        manifest(RESULT.parent, f"scripts/faults.py --out {RESULT.relative_to(ROOT)}", commit)
    lives = sum(row[-1] != "caught" for row in rows.values())
    print(f"{len(rows) - lives} of {len(rows)} faults were caught (commit {commit[:12]})")
    if misfits:
        raise Misfit(f"{misfits} faults could not be tried")
    return 1 if lives else 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Misfit as misfit:
        print(f"faults.py: {misfit}", file=sys.stderr)
        sys.exit(2)
