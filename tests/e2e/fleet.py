"""A server and client machines as real processes, for the tests beside this file.

Every process is started by a Fleet in a folder of its own under the system's temporary folder,
listens on 127.0.0.1 only, and is ended by its process id when the Fleet closes.
"""
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BIN = Path(os.environ.get("KITBAG_BIN", ROOT / "build/release/bin"))
# the server may be of another build: one under a sanitizer, say
SERVER = Path(os.environ.get("KITBAG_SERVER", BIN / "kitbagd"))
PEOPLE = ROOT / "../shared/data/people-1000.ldif"
PEOPLE_SMALL = ROOT / "../shared/data/people-small.ldif"
# the console's port is one for all: a test that needs it gives --console
os.environ.setdefault("KITBAG_SERVER_CONSOLE", "none")
SAMPLE_PEOPLE = ROOT / "packaging/sample-people.ldif"


class Failed(Exception):
    pass


class Skipped(Exception):
    """The test can't run here, for the reason it is given."""


def check(condition, text):
    if not condition:
        raise Failed(text)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(what, probe, seconds=30.0, pause=0.05):
    """Poll until `probe` returns something true; its last answer is told on failure."""
    end = time.monotonic() + seconds
    while True:
        answer = probe()
        if answer:
            return answer
        if time.monotonic() > end:
            raise Failed(f"{what}: not within {seconds:g} s (last answer: {answer!r})")
        time.sleep(pause)


class Process:
    """One program that runs in the background, started again under the same name."""

    def __init__(self, command, log, ready):
        self.command, self.log, self.ready = [str(word) for word in command], log, ready
        self.process = None
        self.env = {}  # on top of this process's own

    def start(self, wait=True):
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log,
                                            stderr=log, env={**os.environ, **self.env})
        if wait:
            self.wait_ready()

    def wait_ready(self):
        def probe():
            if self.process.poll() is not None:
                raise Failed(f"{self.command[0]} ended with {self.process.returncode}: "
                             + self.tail())
            return self.ready()
        wait_until(f"{' '.join(self.command)} is ready", probe)

    def running(self):
        return self.process is not None and self.process.poll() is None

    def kill(self):
        if self.running():
            self.process.kill()
            self.process.wait()

    def stop(self, seconds=5.0):
        """SIGTERM; the exit code. Must end within the seconds it promises."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise Failed(f"{self.command[0]} did not stop within {seconds:g} s") from None

    def tail(self, lines=8):
        text = Path(self.log).read_text(errors="replace").splitlines()
        return "\n".join(text[-lines:])


class Result:
    def __init__(self, done):
        self.code, self.out, self.err = done.returncode, done.stdout, done.stderr

    def json(self):
        return json.loads(self.out)

    def lines(self):
        return [json.loads(line) for line in self.out.splitlines()]


def run(command, code=0, stdin=None, timeout=60):
    """Run to the end; `code` is what it must exit with (None: anything)."""
    words = [word if isinstance(word, bytes) else str(word) for word in command]
    done = subprocess.run(words, input=stdin, timeout=timeout, capture_output=True)
    if code is not None and done.returncode != code:
        raise Failed(f"{' '.join(map(str, command))}: exit {done.returncode}, not {code}: "
                     f"{done.stderr.decode(errors='replace').strip()}")
    return Result(done)


def refused(command, code, *words, stdin=None, timeout=60):
    """It must end with this exit code, nothing on stdout, and one sentence that has the words."""
    result = run(command, code, stdin, timeout)
    check(result.out == b"", f"{command}: it failed, and printed {result.out[:80]!r}")
    said = result.err.decode().splitlines()
    said = [line for line in said if line.startswith(f"{Path(command[0]).name}: ")]
    check(len(said) == 1, f"{command}: not one sentence: {result.err.decode()!r}")
    for word in words:
        check(word in said[0], f"{command}: '{said[0]}' does not say '{word}'")
    return said[0]


class Machine:
    def __init__(self, fleet, name):
        self.fleet, self.name, self.dir = fleet, name, fleet.dir / name
        self.agent = Process([BIN / "kitbag", "--data", self.dir, "agent"],
                             fleet.dir / f"{name}.log", self.answers)

    def answers(self):
        return (self.dir / "agent.sock").exists() and \
            run([BIN / "kitbag", "--data", self.dir, "status"], code=None).code == 0

    def kitbag(self, *words, code=0, stdin=None, timeout=60):
        return run([BIN / "kitbag", "--data", self.dir, *words], code, stdin, timeout)

    def refused(self, code, command, *words):
        """The command must fail with this exit code and a sentence that has the words."""
        return refused([BIN / "kitbag", "--data", self.dir, *command], code, *words)

    def join(self, **options):
        return self.kitbag("join", self.fleet.token(), "--name", self.name, **options)

    def status(self):
        return self.kitbag("status", "-o", "json").json()

    def items(self, user):
        """path -> value of everything the user's bag holds here."""
        rows = self.kitbag("ls", user, "--values", "-o", "ndjson").lines()
        return {row["item"]: row.get("value", row.get("value_base64")) for row in rows}

    def is_current(self, head=None):
        status = self.status()
        return (status["phase"] == "current" and status["pending"] == 0
                and (head is None or int(status["seq"]) >= int(head)))


class Fleet:
    """with Fleet(machines=3) as fleet: ..."""

    def __init__(self, machines=0, server_options=()):
        self.dir = Path(tempfile.mkdtemp(prefix="kitbag-e2e-"))
        self.port = free_port()
        self.data = self.dir / "server"
        self.server = Process(
            [SERVER, "--data", self.data, "--listen", f"tcp://127.0.0.1:{self.port}",
             *server_options],
            self.dir / "server.log", self.server_answers)
        self.machines = [Machine(self, f"machine-{i + 1}") for i in range(machines)]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        for process in [machine.agent for machine in self.machines] + [self.server]:
            process.kill()
        if kind is not None and os.environ.get("KITBAG_KEEP"):
            print(f"# kept for a look: {self.dir}")
        else:
            shutil.rmtree(self.dir, ignore_errors=True)

    def server_answers(self):
        return run([BIN / "kitbagctl", "--data", self.data, "status"], code=None).code == 0

    def ctl(self, *words, code=0, stdin=None, timeout=300):
        return run([BIN / "kitbagctl", "--data", self.data, *words], code, stdin, timeout)

    def token(self, *words):
        return run([BIN / "kitbagd", "token", "--data", self.data, *words]).out.decode().strip()

    def start(self):
        self.server.start()
        for machine in self.machines:
            machine.join()
            machine.agent.start()

    def add(self, name, join=True):
        """One more machine; its agent runs when it has joined."""
        machine = Machine(self, name)
        self.machines.append(machine)
        if join:
            machine.join()
            machine.agent.start()
        return machine

    def head(self):
        return self.ctl("status", "-o", "json").json()["seq"]

    def items(self, user):
        shown = self.ctl("user", "show", user, "--values", "-o", "json").json()
        return {row["item"]: row.get("value", row.get("value_base64"))
                for row in shown["items"] if not row["item"].startswith("@")}

    def wait_current(self, seconds=60.0):
        """Until every machine has sent all it had and holds what the server holds."""
        def probe():
            head = self.head()
            return all(machine.is_current(head) for machine in self.machines) \
                and self.head() == head
        try:
            wait_until("all machines are current", probe, seconds, 0.2)
        except Failed as error:
            statuses = [machine.status() for machine in self.machines]
            raise Failed(f"{error}\nhead {self.head()}\n"
                         + "\n".join(json.dumps(status) for status in statuses)) from None


def main(*tests):
    """Run the functions in order, as TAP; their first docstring line is the name."""
    print(f"1..{len(tests)}")
    failed = 0
    for number, test in enumerate(tests, 1):
        name = (test.__doc__ or test.__name__).strip().splitlines()[0]
        try:
            note = test()
            print(f"ok {number} - {name}" + (f" ({note})" if note else ""))
        except Skipped as reason:
            print(f"ok {number} - {name} # SKIP {reason}")
        except Exception as error:  # a test that breaks is a test that failed
            failed += 1
            print(f"not ok {number} - {name}")
            words = str(error) if isinstance(error, Failed) else traceback.format_exc()
            print("\n".join("# " + line for line in words.splitlines()))
        sys.stdout.flush()
    sys.exit(1 if failed else 0)
