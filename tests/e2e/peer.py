"""The protocol by hand, from docs/protocol.md: what strange and hostile machines send.

kitbag-peer (peer.c) owns the sockets and their encryption; the messages are made and read here, so
that they can be wrong in every way.
"""
import base64
import queue
import re
import struct
import subprocess
import threading
import time

from fleet import BIN, ROOT, Failed, check

PROGRAM = BIN.parent / "tests/kitbag-peer"

HELLO, JOIN, SIGN_IN, SIGN_OUT, FOLLOW, UNFOLLOW, CREDIT, WRITE, HEARTBEAT = range(1, 10)
BYE, PART, LIST, MIRROR = 11, 12, 13, 14
(WELCOME, JOINED, SIGNED_IN, SIGNED_OUT, OUTCOME, LIVE, PAGE, BAG, STATE,
 ERROR, OWNERS, MIRRORING, BATCHES) = range(32, 45)
VERSION = 3  # of the protocol
WINDOW = 262144

# number -> stable name, from the one list of codes
CODES = {int(number): name for number, name in re.findall(
    r'X\(E_\w+, (\d+), "(\w+)"', (ROOT / "base/err.h").read_text(encoding="utf-8"))}


# --- msgpack ------------------------------------------------------------------------------------


class Raw(bytes):
    """Goes out as it is."""


def _sized(size, fix, fix_max, wide):
    """The head of something with a size: `wide` are the types of 8 (or None), 16 and 32 bits."""
    if size <= fix_max:
        return bytes([fix | size])
    for head, form, limit in zip(wide, (">B", ">H", ">I"), (1 << 8, 1 << 16, 1 << 32)):
        if head is not None and size < limit:
            return bytes([head]) + struct.pack(form, size)
    raise ValueError(size)


def pack(value):
    if isinstance(value, Raw):
        return bytes(value)
    if value is None:
        return b"\xc0"
    if isinstance(value, bool):
        return b"\xc3" if value else b"\xc2"
    if isinstance(value, int):
        if value < 128:
            return bytes([value])
        for head, form, limit in zip(range(0xcc, 0xd0), (">B", ">H", ">I", ">Q"), (8, 16, 32, 64)):
            if value < 1 << limit:
                return bytes([head]) + struct.pack(form, value)
    if isinstance(value, str):
        data = value.encode()
        return _sized(len(data), 0xa0, 31, (0xd9, 0xda, 0xdb)) + data
    if isinstance(value, bytes):
        return _sized(len(value), 0, -1, (0xc4, 0xc5, 0xc6)) + value
    if isinstance(value, (list, tuple)):
        return _sized(len(value), 0x90, 15, (None, 0xdc, 0xdd)) + b"".join(map(pack, value))
    raise ValueError(value)


def unpack(data):
    value, rest = _unpack(memoryview(data))
    check(not rest, "bytes are left behind a message")
    return value


_WIDTHS = {0xcc: 1, 0xcd: 2, 0xce: 4, 0xcf: 8, 0xd9: 1, 0xda: 2, 0xdb: 4, 0xc4: 1, 0xc5: 2,
           0xc6: 4, 0xdc: 2, 0xdd: 4}


def _unpack(data):
    head, data = data[0], data[1:]
    if head < 0x80:
        return head, data
    if head in (0xc0, 0xc2, 0xc3):
        return {0xc0: None, 0xc2: False, 0xc3: True}[head], data
    if 0x90 <= head < 0xa0:
        return _unpack_array(head & 15, data)
    if 0xa0 <= head < 0xc0:
        return bytes(data[:head & 31]).decode(), data[head & 31:]
    width = _WIDTHS[head]
    size, data = int.from_bytes(data[:width], "big"), data[width:]
    if head <= 0xc6:
        return bytes(data[:size]), data[size:]
    if head <= 0xcf:
        return size, data
    if head <= 0xdb:
        return bytes(data[:size]).decode(), data[size:]
    return _unpack_array(size, data)


def _unpack_array(count, data):
    values = []
    for _ in range(count):
        value, data = _unpack(data)
        values.append(value)
    return values, data


# --- the program --------------------------------------------------------------------------------


class Hand:
    """One kitbag-peer and its connections."""

    def __init__(self):
        check(PROGRAM.exists(), f"{PROGRAM} is not there: build kitbag-peer")
        self.process = subprocess.Popen([str(PROGRAM)], stdin=subprocess.PIPE,
                                        stdout=subprocess.PIPE)
        self.answers = queue.Queue()
        self.events = {}
        self.free = list(range(255, -1, -1))
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        try:
            self.process.stdin.close()
            self.process.wait(10)
        except BrokenPipeError:
            self.process.wait()
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.reader.join()
        self.process.stdout.close()

    def _read(self):
        for line in self.process.stdout:
            words = line.decode().split()
            if words[0] in ("keys", "sync"):
                self.answers.put(words[1:])
            else:
                data = bytes.fromhex(words[2]) if len(words) > 2 else b""
                self.events[int(words[1])].put((words[0], data))

    def tell(self, *words):
        self.process.stdin.write((" ".join(map(str, words)) + "\n").encode())
        self.process.stdin.flush()

    def ask(self, *words):
        self.tell(*words)
        return self.answers.get(timeout=30)

    def sync(self):
        self.ask("sync", "x")

    def keys(self):
        return self.ask("keys")

    def public(self, secret):
        return self.ask("public", secret)


class Token:
    def __init__(self, text):
        data = text.removeprefix("kb1.")
        data = unpack(base64.urlsafe_b64decode(data + "=" * (-len(data) % 4)))
        self.addresses, self.server, self.secret = data[1], data[2].hex(), data[4].hex()


class Machine:
    """Keys that joined: what a connection needs to say HELLO."""

    def __init__(self, hand, fleet, name="by hand"):
        token = Token(fleet.token())
        self.hand, self.server = hand, token.server
        self.endpoint = f"tcp://127.0.0.1:{fleet.port}"
        self.keys = hand.keys()
        with Peer(hand, self.endpoint, self.server, hand.public(token.secret)) as peer:
            peer.send([JOIN, 0, VERSION, bytes.fromhex(self.keys[0]), name, "", "", "peer.py"])
            joined = peer.expect(JOINED)
            self.device, self.history = joined[2], joined[3]

    def connect(self, name=b""):
        return Peer(self.hand, self.endpoint, self.server, self.keys, name)

    def hello(self, version=VERSION, history=None, seq=0, digest=None, writer=1):
        return [HELLO, 0, version, self.device, history, seq, digest, writer, "peer.py", WINDOW]

    def session(self, writer=1):
        """A connection that said HELLO and was welcome."""
        peer = self.connect()
        peer.send(self.hello(writer=writer))
        peer.welcome(peer.expect(WELCOME))
        return peer


class Peer:
    def __init__(self, hand, endpoint, server=None, keys=None, name=b""):
        self.hand, self.n, self.number = hand, hand.free.pop(), 0
        self.device_bag = self.fleet_bag = self.received = 0
        self.events = hand.events[self.n] = queue.Queue()
        if name:
            hand.tell("name", self.n, name.hex())
        if server is None:
            hand.tell("plain", self.n, endpoint)
        else:
            hand.tell("open", self.n, endpoint, server, *keys)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.hand.tell("close", self.n)
        self.hand.sync()  # nothing of this connection comes any more
        self.hand.free.append(self.n)

    def welcome(self, message):
        self.number, self.history, self.head = message[1], message[3], message[4]
        self.device_bag, self.fleet_bag = message[7], message[8]

    def raw(self, data):
        self.hand.tell("send", self.n, data.hex())

    def send(self, message):
        self.raw(pack(message))

    def say(self, kind, *fields):
        """A message of this session."""
        self.send([kind, self.number, *fields])

    def repeat(self, count, data):
        self.hand.tell("repeat", self.n, count, data.hex())

    def parts(self, count, data):
        """One message of so many ZeroMQ parts. On the way it looks like one without an end."""
        self.hand.tell("parts", self.n, count, data.hex())

    def in_parts(self, message, part=1):
        for offset in range(0, len(message), 61440):
            self.say(PART, part, len(message), offset, message[offset:offset + 61440])

    def event(self, seconds):
        kind, data = "up", b""
        while kind == "up":  # a message may be told before the news that the connection is there
            try:
                kind, data = self.events.get(timeout=max(seconds, 0.001))
            except queue.Empty:
                return "nothing", None
        if kind != "got":
            return kind, None
        message = unpack(data)
        if message[0] in (LIVE, PAGE, BAG, OWNERS, BATCHES, PART):
            self.received += len(data)
        return kind, message

    def expect(self, *kinds, seconds=5.0):
        """The next message of one of these kinds; others but ERROR are passed over."""
        end = time.monotonic() + seconds
        while True:
            what, message = self.event(end - time.monotonic())
            if what in ("down", "refused", "nothing"):
                raise Failed(f"'{what}' in place of a message of kind {kinds}")
            if what == "got" and message[0] in kinds:
                return message
            if what == "got" and message[0] == ERROR:
                raise Failed(f"ERROR {CODES.get(message[2])}: {message[3]}")

    def fate(self, seconds=3.0):
        """How the server ends it: the names of the ERRORs that come, then 'down' or 'refused';
        or 'nothing' when it does not."""
        end, said = time.monotonic() + seconds, []
        while True:
            what, message = self.event(end - time.monotonic())
            if what == "got" and message[0] == ERROR:
                said.append(CODES.get(message[2]))
            elif what in ("down", "refused", "nothing"):
                return [*said, what]

    def sign_in(self, user):
        """The bag of the user."""
        self.say(SIGN_IN, 1, user, [], 0)
        answer = self.expect(SIGNED_IN)
        check(answer[3] == 0, f"signing in '{user}': {CODES.get(answer[3])}: {answer[4]}")
        return answer[5][0][0]

    def write(self, *operations, confirmed=0):
        """The outcomes, as (number, name of the code, seq, text)."""
        self.say(WRITE, confirmed, list(operations))
        outcomes = []
        while len(outcomes) < len(operations):
            outcomes += self.expect(OUTCOME)[2]
        return [(number, CODES.get(code, "ok"), seq, text) for number, code, seq, text in outcomes]


def put(number, bag, path, value=b"x", if_seq=None, seen=(1 << 63) - 1):
    """An operation that writes one item."""
    return [number, 1, bag, 0, seen, [[path, value, if_seq]]]
