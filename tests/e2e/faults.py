"""Small disks, failing disks, and writers by hand whose acknowledged writes are kept in a book."""
import os
import shutil
import sys
import time

from fleet import BIN, Failed, check, run
from peer import Machine, put

FAILING_DISK = BIN.parent / "tests/failing_disk.so"


def in_own_mounts():
    """Go on in a mount namespace of our own, where mounting is allowed and ends with us. False
    when the system does not permit that."""
    if os.environ.get("KITBAG_OWN_MOUNTS"):
        return True
    words = ["unshare", "--mount", "--propagation", "private"]
    words += [] if os.geteuid() == 0 else ["--map-root-user"]
    if not shutil.which("unshare") or run([*words, "true"], code=None).code != 0:
        return False
    os.environ["KITBAG_OWN_MOUNTS"] = "1"
    os.execvp(words[0], [*words, sys.executable, *sys.argv])
    return True


class SmallDisk:
    """A folder that is a disk of its own, as small as wanted."""

    def __init__(self, path, size_mib, inodes=0):
        self.path = path
        path.mkdir(mode=0o700, exist_ok=True)
        files = f",nr_inodes={inodes}" if inodes else ""
        run(["mount", "-t", "tmpfs", "-o", f"size={size_mib}m,mode=700{files}", "tmpfs", path])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        run(["umount", "--lazy", self.path], code=None)

    def free(self):
        info = os.statvfs(self.path)
        return info.f_bavail * info.f_frsize

    def fill(self, leave=0):
        """Somebody else takes the room."""
        with open(self.path / "ballast", "ab") as file:
            while self.free() > leave:
                file.write(bytes(min(65536, max(self.free() - leave, 4096))))
                file.flush()

    def fill_inodes(self):
        (self.path / "others").mkdir()
        number = 0
        try:
            while True:
                (self.path / "others" / str(number)).touch()
                number += 1
        except OSError:
            return number

    def grow(self, size_mib):
        run(["mount", "-o", f"remount,size={size_mib}m", self.path])


class FailingDisk:
    """Makes the disk of a program fail by a letter: see failing_disk.c."""

    def __init__(self, process, knob):
        check(FAILING_DISK.exists(), f"{FAILING_DISK} is not built")
        self.knob = knob
        process.env["LD_PRELOAD"] = str(FAILING_DISK)
        process.env["KITBAG_DISK"] = str(knob)

    def fail(self, letter):
        self.knob.write_text(letter)

    def mend(self):
        self.knob.unlink(missing_ok=True)


class Writer:
    """A machine by hand that writes pairs: `a/N` and `b/N` always hold the same, in one change
    set. What was acknowledged is in the book."""

    def __init__(self, hand, fleet, user="zoe", size=1000):
        self.machine, self.user, self.size = Machine(hand, fleet, "writer"), user, size
        self.number = 0
        self.book = {}     # place -> round that was acknowledged last
        self.unknown = {}  # place -> rounds that were sent behind it, and not answered
        self.peer = None

    def connect(self):
        self.disconnect()
        self.peer = self.machine.session(writer=time.monotonic_ns() >> 10)
        self.number = 0
        self.bag = self.peer.sign_in(self.user)

    def disconnect(self):
        if self.peer is not None:
            self.peer.close()
            self.peer = None

    def value(self, number):
        return f"{number:08}".encode() * (self.size // 8)

    def write(self, place, number):
        """One change set; its code."""
        self.number += 1
        operation = put(self.number, self.bag, f"a/{place}", self.value(number))
        operation[5].append([f"b/{place}", self.value(number), None])
        self.unknown.setdefault(place, []).append(number)
        [(_, code, _, _)] = self.peer.write(operation)
        if code == "ok":
            self.book[place] = number
            self.unknown[place] = []
        else:
            self.number -= 1
            self.unknown[place].remove(number)
        return code

    def flood(self, seconds, places=200, rounds=0, most=1 << 30):
        """Until something but "ok" comes, `most` were written or the time is over: the code, or
        what happened."""
        end, number = time.monotonic() + seconds, rounds
        while time.monotonic() < end and number < rounds + most:
            number += 1
            try:
                code = self.write(number % places, number)
            except Failed as error:
                return str(error)
            if code != "ok":
                return code
        return "ok"

    def compare(self, items):
        """Everything acknowledged is there, and no change set is there in part."""
        for place in self.book.keys() | self.unknown.keys():
            a, b = (items.get(f"{half}/{place}") for half in "ab")
            check(a == b, f"half a change set: a/{place} is {str(a)[:20]}, b/{place} {str(b)[:20]}")
            known = [number for number in [self.book.get(place), *self.unknown.get(place, [])]
                     if number is not None]
            here = int(a[:8]) if a is not None else None
            check(here in known if place in self.book else here in [None, *known],
                  f"a/{place} holds round {here}; acknowledged was {self.book.get(place)}, "
                  f"unknown {self.unknown.get(place)}")
        return len(self.book)
