#!/usr/bin/env python3
"""Runs the tests of this project and adds them up.

    run.py plan [NAME]    the parts whose name contains NAME (all when not given), one a line
    run.py run [NAME]     run them; what they need must be built ('./dev test' sees to it)

The parts, in this order:
    lint/RULE           one rule of the gate; lint/self-test proves that it bites
    FOLDER/NAME         a unit test program, tests/FOLDER/test_NAME.c, under ASan and UBSan
    console/NAME        tests/admin/console/test_NAME.mjs, by Node
    fuzz/NAME           the kept inputs of a fuzz target, under ASan and UBSan
    plain/FOLDER/NAME   the unit tests that leave something out under a sanitizer, without one
    threads/FOLDER/NAME the unit tests about threads once more, under TSan
    sim/NAME            seeds of the simulation of a server and its machines (tests/sim)
    e2e/NAME            tests/e2e/test_NAME, an executable that drives the real programs of
                        build/release/bin (KITBAG_BIN holds its path)

Every part prints TAP. The last line is 'N passed, N failed, N skipped'; the exit code is 1 when
anything failed or nothing ran. A part that prints no result, stops before its plan is through,
ends with an error, or runs too long has failed, whatever it printed.
"""
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = ROOT / "build/release/bin"
JOBS = 2
LINT_TIMEOUT_S = 600
UNIT_TIMEOUT_S = 120
E2E_TIMEOUT_S = 900
SIM_TIMEOUT_S = 900
SIM_SEEDS = (("seeds-1", "1-500"), ("seeds-2", "501-1000"))
# Run without a sanitizer too: with one there is no address space to run out of.
KNOWS_SANITIZERS = re.compile(r"\bno_memory_begin\b|__SANITIZE_ADDRESS__")

# Run under TSan too: tests that start threads, and tests of what starts threads by itself. A test
# that forks while threads run is not for TSan, which ends the child.
STARTS_THREADS = re.compile(r"\b(thread_start|pthread_create)\b")
THREADED = ("admin/https/http", "admin/https/answer", "admin/https/connection",
            "admin/https/crowd", "admin/https/entry", "admin/https/file", "admin/local",
            "admin/web", "server/applier", "server/backups", "server/backups_make",
            "server/backups_tell", "server/console", "server/housekeeping")

TAP = re.compile(r"^(?P<no>not )?ok\b(?: +(?P<number>\d+))?(?: *- *| +)?(?P<text>.*)$")
SKIP = re.compile(r"# *skip\b:? *(?P<reason>.*)$", re.IGNORECASE)
PLAN = re.compile(r"^1\.\.(\d+)(?: *# *skip\b:? *(?P<reason>.*))?", re.IGNORECASE)

# --- the parts ---------------------------------------------------------------------------------


@dataclass
class Part:
    name: str
    command: list
    timeout_s: int
    env: dict = field(default_factory=dict)
    streamed: bool = False  # each result is shown as it comes: for parts that take their time


def lint_parts():
    gate = [sys.executable, str(ROOT / "tests/lint/gate.py")]
    rules = subprocess.run(gate + ["--list"], check=True, text=True,
                           capture_output=True).stdout.split()
    for rule in rules:
        yield Part(f"lint/{rule}", gate + [rule], LINT_TIMEOUT_S)
    yield Part("lint/self-test", gate + ["--self-test"], LINT_TIMEOUT_S)
    for path in sorted((ROOT / "tests/lint").glob("test_*")):
        yield Part(f"lint/{path.stem[5:]}", [str(path)], LINT_TIMEOUT_S)


SANITIZERS = {
    "CMOCKA_MESSAGE_OUTPUT": "tap",
    "ASAN_OPTIONS": "detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    # libraries without instrumentation would be reported for what they do right
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:halt_on_error=1",
}


def unit_tests():
    """(name, source, program) of each: "admin/api/items", its file, "test_admin_api_items"."""
    for source in sorted((ROOT / "tests").rglob("test_*.c")):
        name = source.relative_to(ROOT / "tests").with_name(source.stem[5:]).as_posix()
        yield name, source, "test_" + name.replace("/", "_")


def unit_parts():
    for name, _, program in unit_tests():
        yield Part(name, [str(ROOT / "build/asan/tests" / program)], UNIT_TIMEOUT_S, SANITIZERS)


def console_parts():
    for path in sorted((ROOT / "tests/admin/console").glob("test_*.mjs")):
        yield Part(f"console/{path.stem[5:]}",
                   ["node", "--test-reporter=tap", str(path)], UNIT_TIMEOUT_S)


def fuzz_parts():
    for source in sorted((ROOT / "tests/fuzz").glob("fuzz_*.c")):
        name = source.stem[5:]
        yield Part(f"fuzz/{name}", [str(ROOT / f"build/asan/tests/test_fuzz_{name}"),
                                    str(ROOT / "tests/fuzz/corpus" / name)],
                   UNIT_TIMEOUT_S, SANITIZERS)


def plain_parts():
    for name, source, program in unit_tests():
        if KNOWS_SANITIZERS.search(source.read_text(encoding="utf-8")):
            yield Part(f"plain/{name}", [str(ROOT / "build/release/tests" / program)],
                       UNIT_TIMEOUT_S, SANITIZERS)


def threads_parts():
    for name, source, program in unit_tests():
        if (name in THREADED or "threads" in name or
                STARTS_THREADS.search(source.read_text(encoding="utf-8"))):
            yield Part(f"threads/{name}", [str(ROOT / "build/tsan/tests" / program)],
                       UNIT_TIMEOUT_S, SANITIZERS)


def sim_parts():
    def part(name, build, *arguments):
        return Part(f"sim/{name}", [str(ROOT / f"build/{build}/tests/sim"), *arguments],
                    SIM_TIMEOUT_S, SANITIZERS, streamed=True)
    for name, seeds in SIM_SEEDS:
        yield part(name, "release", "--seeds", seeds)
    yield part("asan", "asan", "--seeds", "2001-2010")
    yield part("same-trace", "release", "--again", "1-20")
    controls = re.findall(r'= "([a-z-]+)"', (ROOT / "tests/sim/control.c").read_text("utf-8"))
    for control in controls:
        if control != "none":
            yield part(control, "release", "--control", control, "--seeds", "1-100")


def e2e_parts():
    for path in sorted((ROOT / "tests/e2e").glob("test_*")):
        if os.access(path, os.X_OK) and path.is_file():
            yield Part(f"e2e/{path.stem[5:]}", [str(path)], E2E_TIMEOUT_S,
                       {"KITBAG_BIN": str(BIN), "PATH": f"{BIN}:{os.environ['PATH']}",
                        # its port is one for all; who needs the console says --console
                        "KITBAG_SERVER_CONSOLE": "none"},
                       streamed=True)


def plan(name):
    makers = (lint_parts, unit_parts, console_parts, fuzz_parts, plain_parts, threads_parts,
              sim_parts, e2e_parts)
    return [part for maker in makers for part in maker() if name in part.name]


# --- running one part --------------------------------------------------------------------------


class Result:
    """What a part printed, added up line by line."""

    def __init__(self):
        self.passed, self.failed, self.skipped = [], [], []
        self.planned = None
        self.output = []
        self.error = None

    def take(self, line):
        """Take a line of output; return what to show of it when the part is streamed."""
        self.output.append(line)
        found = PLAN.match(line)
        if found:
            self.planned = (self.planned or 0) + int(found.group(1))
            if found.group("reason") is not None and found.group(1) == "0":
                self.skipped.append(("all of it", found.group("reason")))
            return None
        found = TAP.match(line)
        if not found or (found["number"] is None and not found["no"] and not found["text"]):
            return None
        if found["number"] is None and found["text"].startswith("- "):
            return None
        return self._result(found)

    def _result(self, found):
        text = found["text"]
        skip = SKIP.search(text)
        if skip:
            name = text[:skip.start()].strip(" -")
            # cmocka says '# SKIP name', everybody else 'name # SKIP reason'
            entry = (name, skip["reason"]) if name else (skip["reason"], self._words_before())
            self.skipped.append(entry)
            return f"skip  {entry[0]}: {entry[1]}"
        (self.failed if found["no"] else self.passed).append(text)
        return f"{'FAIL' if found['no'] else 'ok  '}  {text}"

    def _words_before(self):
        """What a cmocka test printed before it called skip()."""
        words = self.output[-2] if len(self.output) > 1 else ""
        said_nothing = not words or TAP.match(words) or PLAN.match(words)
        return "it gives no reason" if said_nothing else words

    def end(self, returncode, timed_out, timeout_s):
        count = len(self.passed) + len(self.failed) + len(self.skipped)
        if timed_out:
            self.error = f"did not end within {timeout_s} s"
        elif returncode != 0 and not self.failed:
            what = f"signal {-returncode}" if returncode < 0 else f"exit code {returncode}"
            self.error = f"ended with {what} though no test of it failed"
        elif self.planned is not None and count < self.planned:
            self.error = f"stopped after {count} of {self.planned} tests"
        elif count == 0:
            self.error = "ran no test"


def run_part(part, show):
    result = Result()
    if not shutil.which(part.command[0]):
        result.error = f"{part.command[0]} is not there: was it built?"
        return result
    with tempfile.TemporaryDirectory(prefix="kitbag-test-") as scratch:
        os.chmod(scratch, 0o755)  # tests that become another account must get through
        process = subprocess.Popen(
            part.command, cwd=ROOT, env={**os.environ, **part.env, "TMPDIR": scratch},
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
            text=True, errors="replace", start_new_session=True)
        LIVE.add(process.pid)
        late = threading.Event()

        def too_late():
            late.set()
            end_group(process.pid)

        timer = threading.Timer(part.timeout_s, too_late)
        timer.start()
        try:
            for line in process.stdout:
                shown = result.take(line.rstrip("\n"))
                if shown and part.streamed:
                    show(f"{shown[:4]}  {part.name}: {shown[6:]}")
            returncode = process.wait()
        finally:
            timer.cancel()
            end_group(process.pid)  # what a test left behind
            LIVE.discard(process.pid)
    result.end(returncode, late.is_set(), part.timeout_s)
    return result


# The first process of each part that runs, so that Ctrl-C leaves none of them behind.
LIVE = set()


def end_group(pid):
    """The part runs in a session of its own: its group holds its processes and no others."""
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def on_signal(number, _frame):
    for pid in list(LIVE):
        end_group(pid)
    print("interrupted", flush=True)
    os._exit(128 + number)


# --- running them all --------------------------------------------------------------------------


class Totals:
    def __init__(self):
        self.passed = self.failed = self.skipped = 0
        self.lock = threading.Lock()  # parts end on several threads; keeps their lines whole

    def show(self, line):
        with self.lock:
            print(line, flush=True)

    def add(self, part, result, seconds):
        failed = len(result.failed) + (1 if result.error else 0)
        with self.lock:
            self.passed += len(result.passed)
            self.failed += failed
            self.skipped += len(result.skipped)
            if not part.streamed or result.error:
                self._line(part, result, failed, seconds)
            if failed:
                self._details(part, result)

    @staticmethod
    def _line(part, result, failed, seconds):
        count = len(result.passed) + len(result.skipped) + failed
        word = "FAIL" if failed else "ok  " if result.passed else "skip"
        tests = f"{count} test{'s' if count != 1 else ''}"
        print(f"{word}  {part.name:<32} {tests:>9}  {seconds:6.1f} s", flush=True)
        for name, reason in result.skipped:
            print(f"skip  {part.name}: {name}: {reason}", flush=True)

    @staticmethod
    def _details(part, result):
        for name in result.failed:
            print(f"      {part.name}: {name}")
        print(f"      ---- what {part.name} printed")
        for line in result.output[-200:]:
            print(f"      {line}")
        if result.error:
            print(f"      {part.name} {result.error}")
        print("      ----", flush=True)


def run(name):
    parts = plan(name)
    totals = Totals()

    def one(part):
        begin = time.monotonic()
        result = run_part(part, totals.show)
        totals.add(part, result, time.monotonic() - begin)

    # The gate's slow rules use all cores and end-to-end tests watch the clock: one at a time.
    alone = [part for part in parts if part.name.startswith(("lint/", "e2e/"))]
    for part in (part for part in alone if part.name.startswith("lint/")):
        one(part)
    with ThreadPoolExecutor(JOBS) as pool:
        list(pool.map(one, (part for part in parts if part not in alone)))
    for part in (part for part in alone if part.name.startswith("e2e/")):
        one(part)
    if not parts:
        print(f"No test is called like '{name}'.")
    print(f"{totals.passed} passed, {totals.failed} failed, {totals.skipped} skipped", flush=True)
    return 1 if totals.failed or totals.passed == 0 else 0


def main(arguments):
    if not 1 <= len(arguments) <= 2 or arguments[0] not in ("plan", "run"):
        print(__doc__, file=sys.stderr)
        return 2
    name = arguments[1] if len(arguments) == 2 else ""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, on_signal)
    if arguments[0] == "plan":
        for part in plan(name):
            print(part.name)
        return 0
    return run(name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
