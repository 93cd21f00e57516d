"""clang-tidy over every source file that is built, with a memory.

A file is checked again only when something that counts has changed: its text, a header of ours
that it includes (however deep), its compile command, the configuration, or clang-tidy itself.
Only clean results are remembered, as empty files named by the hash of all that.
"""
import hashlib
import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor

import rules

DATABASE = "build/release/compile_commands.json"
MEMORY = "build/lint/tidy"
KNOWLEDGE = "tests/lint/analyzer.h"
KNOWN = "base/err.c"  # defines what KNOWLEDGE is about
CONFIGURATION = (".clang-tidy", "tests/.clang-tidy", KNOWLEDGE)
PROBLEM = re.compile(r"^(?P<file>[^\s:][^:]*):(?P<line>\d+):\d+: (?:error|warning): (?P<text>.*)$")


def tidy(tree):
    sources = [file for file in tree.c_files if file.endswith(".c")]
    if not sources:
        return []
    database = tree.root / DATABASE
    if not database.is_file():
        return [f"{DATABASE} is missing: run './dev build' first"]
    commands = {}
    for entry in json.loads(database.read_text()):
        file = os.path.relpath(entry["file"], tree.root)
        commands[file] = entry["command"]
    memory = tree.root / MEMORY
    memory.mkdir(parents=True, exist_ok=True)
    common = _version() + "".join((tree.root / file).read_text() for file in CONFIGURATION)
    closures = _Closures(tree)

    def one(file):
        if file not in commands:
            return [f"{file}:1: the build does not compile it"]
        key = hashlib.sha256(
            "\0".join([common, commands[file], *closures.texts(file)]).encode()).hexdigest()
        if (memory / key).exists():
            return []
        problems = _run(tree, database.parent, file)
        if not problems:
            (memory / key).touch()
        return problems

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        found = [problem for problems in pool.map(one, sources) for problem in problems]
    return list(dict.fromkeys(found))  # a header's problem is found by each of its includers


def _version():
    return subprocess.run(["clang-tidy", "--version"], text=True, capture_output=True,
                          check=True).stdout


def _run(tree, database, file):
    knowledge = [] if file == KNOWN else [f"--extra-arg=-include{tree.root / KNOWLEDGE}"]
    done = subprocess.run(
        ["clang-tidy", "--quiet", "-p", str(database), "--extra-arg=-Wno-unknown-warning-option",
         "--extra-arg=-Wno-ignored-optimization-argument",
         *knowledge, file], cwd=tree.root, text=True, capture_output=True)
    problems = []
    for line in done.stdout.split("\n"):
        match = PROBLEM.match(line)
        if match:
            where = os.path.relpath(tree.root / match["file"], tree.root)
            text = match["text"].replace(",-warnings-as-errors", "")
            problems.append(f"{where}:{match['line']}: {text}")
    if done.returncode != 0 and not problems:
        problems.append(f"{file}:1: clang-tidy failed: {done.stderr.strip()[-400:]}")
    return problems


class _Closures:
    """A file's own text and that of every header of ours it reaches, in a fixed order."""

    def __init__(self, tree):
        self.tree = tree
        self.known = set(tree.c_files)

    def texts(self, file):
        seen, waiting = {file}, [file]
        while waiting:
            for _line, _kind, header in rules.included(self.tree, waiting.pop()):
                for path in (header, f"client/include/{header}"):
                    if path in self.known and path not in seen:
                        seen.add(path)
                        waiting.append(path)
        return [f"{path}\n{self.tree.text(path)}" for path in sorted(seen)]
