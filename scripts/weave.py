"""Weaves edits of files into one program, which has one of them at a time by its number in the environment.

A function with edits becomes a `match` with a copy of its body for each, so that a package is
compiled once and not once an edit. What does not compile is found by the lines of the compiler's
errors and left out. Constants, and functions that are called where constants are made or whose type
has no name, cannot be woven.
"""

import collections
import json
import os
import re
import resource
import signal
import subprocess
import sys
import threading
import time

# The name of the variable that says which mutant is the one; 0 is none.
NUMBER = "MUTANT"
SWITCH = f"""
/// The number of the mutant that this process has.
pub(crate) fn mutant() -> u32 {{
    static NUMBER: std::sync::OnceLock<u32> = std::sync::OnceLock::new();
    *NUMBER.get_or_init(|| std::env::var("{NUMBER}").map_or(0, |text| text.parse().expect("a number")))
}}
"""
# Bytes of memory that a test may take with a mutant.
MEMORY_MAX = 6 << 30


class Edit:
    """One change of a file: what stands at these offsets, what takes its place, and the function around it,
    as its offsets and its name."""

    def __init__(self, number, file, at, put, function):
        self.number, self.file, self.at, self.put, self.function = number, file, at, put, function


class Mutant(Edit):
    """An edit that cargo-mutants names, and what became of it."""

    def __init__(self, number, found, source):
        function = found["function"]
        function = function and (offsets(source, function["span"]), function["function_name"].split("::")[-1])
        super().__init__(number, found["file"], offsets(source, found["span"]), found["replacement"], function)
        self.row, self.fate = found["name"], None
        self.words = found["name"].split(":", 3)[3].strip()
        self.line = source.splitlines()[found["span"]["start"]["line"] - 1].strip()

    def key(self):
        """What a survivor is known by."""
        return (self.file, self.words, self.line)


def around(source, at):
    """The innermost function around these offsets, by the way it is laid out; None if there is none."""
    found = None
    heads = re.finditer(r"^( *)(?:pub(?:\([\w:]+\))? )?(?:const |async )*fn (\w+)", source, re.MULTILINE)
    for head in heads:
        ends = re.compile(rf"^{head[1]}\}}$", re.MULTILINE).search(source, head.end())
        if ends and head.start() <= at[0] and at[1] <= ends.end():
            found = ((head.start(), ends.end()), head[2])
    return found


def offsets(source, span):
    """The first offset of a span and the one after it."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return tuple(starts[end["line"] - 1] + end["column"] - 1 for end in (span["start"], span["end"]))


def body(source, function):
    """Where a function's name begins, and the offsets of its braces; None if it has no woven form."""
    (start, end), name = function
    found = re.compile(rf"\bfn {re.escape(name)}\b").search(source, start, end)
    if not found:
        return None
    depth = 0
    for at in range(found.end(), end):
        depth += (source[at] in "([") - (source[at] in ")]")
        if source[at] == "{" and depth == 0:
            hidden = re.search(r"->.*\bimpl\b", source[found.end():at], re.DOTALL)
            return None if hidden or source[end - 1] != "}" else (found.start(), at, end - 1)
    return None


def weave(source, mutants, fixed=()):
    """A source with its mutants, the lines of each, and those that cannot be woven. The functions named
    by `fixed` have to stay constant."""
    groups, slow = collections.defaultdict(list), []
    for mutant in mutants:
        place = mutant.function and body(source, mutant.function)
        inside = place and place[1] < mutant.at[0] and mutant.at[1] <= place[2]
        is_const = inside and re.search(r"\bconst\b", source[source.rfind("\n", 0, place[0]) + 1:place[0]])
        if not inside or (is_const and mutant.function[1] in fixed):
            slow.append(mutant)
        else:
            groups[place, mutant.function[0][0]].append(mutant)
    out, done, lines = [], 0, {}
    for ((name, opens, closes), start), group in sorted(groups.items()):
        if start < done:
            slow += group
            continue
        head = source[done:name]
        # The word stands in the line of the name, behind its attributes and comments.
        cut = head.rfind("\n") + 1
        out += [head[:cut], re.sub(r"\bconst ", "", head[cut:]), source[name:opens],
                "{ match crate::mutant() {\n"]
        inner = (opens + 1, closes)
        for mutant in group:
            first = "".join(out).count("\n") + 1
            text = source[inner[0]:mutant.at[0]] + mutant.put + source[mutant.at[1]:inner[1]]
            out.append(f"{mutant.number} => {{{text}\n}}\n")
            lines[mutant.number] = (first, first + out[-1].count("\n") - 1)
        out.append(f"_ => {{{source[slice(*inner)]}\n}}\n}} }}")
        done = closes + 1
    out.append(source[done:])
    return "".join(out), lines, slow


def build(edits, words, tree, env):
    """Compiles tests with edits woven in, as the words of a cargo command say. The programs, the edits that are in
    them, those that do not compile with what the compiler says, and those that cannot be woven."""
    files = sorted({edit.file for edit in edits})
    # What a program has beside its library is a crate of its own.
    roots = {f"{name.split('/src/')[0]}/src/{root}.rs" for name in files for root in ("lib", "main")}
    roots = {root for root in roots if (tree / root).is_file()}
    sources = {name: (tree / name).read_text(encoding="utf-8") for name in {*files, *roots}}
    left, broken, slow, fixed = list(edits), [], [], set()
    try:
        while True:
            lines = {}
            for name, source in sources.items():
                text, here, unwoven = weave(source, [one for one in left if one.file == name], fixed)
                text += SWITCH if name in roots else ""
                (tree / name).write_text(text, encoding="utf-8")
                lines[name] = here
                slow += unwoven
                left = [one for one in left if one not in unwoven]
            programs, errors = compiled(words, tree, env)
            if programs:
                return programs, left, broken, slow
            bad = {}
            for error in errors:
                bad |= dict.fromkeys(concerned(error, lines), error["rendered"])
                if not concerned(error, lines):
                    named = re.findall(r"`[^`]*?(\w+)`", error["message"])
                    if error["code"] != "E0015" or not named or named[0] in fixed:
                        raise ValueError(error["rendered"])
                    fixed.add(named[0])
            broken += [(one, bad[one.number]) for one in left if one.number in bad]
            left = [one for one in left if one.number not in bad]
    finally:
        for name, source in sources.items():
            (tree / name).write_text(source, encoding="utf-8")


def concerned(error, lines):
    """The mutants in whose lines an error is."""
    return {number for name, line in error["places"] for number, (first, last) in lines.get(name, {}).items()
            if first <= line <= last}


def compiled(words, tree, env):
    """The programs of tests, by the kind and the name of their target, each with the folder of its package;
    or the errors of the compiler."""
    words = ["cargo", "test", "--quiet", "--locked", "--no-run", "--message-format=json", *words]
    done = subprocess.run(words, cwd=tree, env=env, check=False, text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE)
    errors, programs = [], {}
    for row in done.stdout.splitlines():
        said = json.loads(row)
        if said["reason"] == "compiler-artifact" and said["executable"] and said["profile"]["test"]:
            target, folder = said["target"], os.path.dirname(said["manifest_path"])
            programs[folder, target["kind"][0], target["name"]] = said["executable"]
        message = said.get("message")
        if said["reason"] != "compiler-message" or message["level"] != "error" or not message["spans"]:
            continue
        places = [(span["file_name"], span["line_start"]) for span in message["spans"] if span["is_primary"]]
        code = (message["code"] or {}).get("code")
        errors.append({"message": message["message"], "rendered": message["rendered"], "code": code,
                       "places": places})
    if done.returncode and not errors:
        raise ValueError(done.stdout[-2000:] + done.stderr[-2000:])
    return (programs, []) if done.returncode == 0 else ({}, errors)


def tried(program, tests, number, folder, limits=None, only=()):
    """What the tests say with a mutant: "missed", "caught" or "timeout"; and the seconds of processor
    time that they took. `limits` are those seconds at most, and those of the clock."""
    seconds, patience = limits or (None, None)

    def bound():
        if seconds:
            resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
            resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    late = threading.Event()
    with subprocess.Popen([program, *only, tests], cwd=folder, env={**os.environ, NUMBER: str(number),
                          "PROPTEST_MAX_SHRINK_ITERS": "0", "RUST_BACKTRACE": "0"}, text=True,
                          errors="replace", stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          preexec_fn=bound, start_new_session=True) as run:
        def end():
            late.set()
            os.killpg(run.pid, signal.SIGKILL)
        timer = threading.Timer(patience or 3_600, end)
        timer.start()
        failed = False
        for line in run.stdout:
            if re.match(r"test .*FAILED$", line):
                failed = True
                if limits is None:
                    print(line.strip(), file=sys.stderr)
                os.killpg(run.pid, signal.SIGKILL)
                break
        code = run.wait()
        timer.cancel()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    took = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    if failed:
        return "caught", took
    if late.is_set() or code in (-signal.SIGXCPU, -signal.SIGKILL):
        return "timeout", took
    return ("caught" if code else "missed"), took


def limits(program, tests, folder):
    """How much time tests may take with a mutant, by what they take without one."""
    begun = time.monotonic()
    said, took = tried(program, tests, 0, folder)
    if said != "missed":
        raise ValueError(f"{tests or 'all tests'}: fails without a mutant")
    return int(2 + 3 * took), 30 + 10 * (time.monotonic() - begun)
