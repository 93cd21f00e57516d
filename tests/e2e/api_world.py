"""A server whose API is asked over HTTPS: who asks, what there is to ask for, and whether an answer
is what the server's own description of the API says.
"""
import http.client
import itertools
import json
import os
import socket
import ssl
import sys
from dataclasses import dataclass, field

from fleet import Fleet, check, wait_until

try:
    from jsonschema import Draft202012Validator
except ImportError:  # another python than Debian's, whose package it is
    if sys.executable == "/usr/bin/python3":
        raise
    os.execv("/usr/bin/python3", ["/usr/bin/python3", *sys.argv])

PASSWORD = "correct horse battery"
ROLES = ("viewer", "operator", "admin")
STREAMS = ("text/event-stream", "application/x-ndjson")


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=20)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


@dataclass
class Answer:
    status: int
    headers: object
    bytes: bytes
    json: object = None

    @property
    def type(self):
        return self.headers.get("Content-Type", "").split(";")[0]

    @property
    def code(self):
        return self.json.get("code") if isinstance(self.json, dict) else None


def encode(body):
    if body is None or isinstance(body, bytes):
        return body
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def read(connection):
    reply = connection.getresponse()
    answer = Answer(reply.status, reply.headers, reply.read())
    if answer.bytes and answer.type in ("application/json", "application/problem+json"):
        answer.json = json.loads(answer.bytes)
    return answer


@dataclass
class Session:
    """Somebody who signed in with a password."""
    name: str
    password: str
    cookie: str
    csrf: str

    @property
    def headers(self):
        return {"Cookie": self.cookie, "X-CSRF-Token": self.csrf}


class World(Fleet):
    """One connected machine with a user in a group; an API token of each role; a session of each
    role, made when it is asked for."""

    def __init__(self):
        super().__init__(1, ("--set", "journal.segment_size=8M", "--console", "127.0.0.1:0"))
        password = self.dir / "password"
        password.write_text(PASSWORD + "\n")
        self.server.command += ["--admin-password-file", str(password)]
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        self.counter = itertools.count(1)
        self.sessions = {}
        self.connections = {}

    def __enter__(self):
        super().__enter__()
        try:
            self.begin()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def begin(self):
        self.server.start()
        log = self.dir / "server.log"
        wait_until("the account is made", lambda: "no longer needed" in log.read_text())
        line = next(x for x in log.read_text().splitlines() if "console.listening" in x)
        self.console_port = int(line.split("address=https://127.0.0.1:")[1].split()[0])
        self.socket = UnixConnection(self.data / "admin.sock")
        self.tokens = {role: self.local("POST", "/tokens", {"name": role, "role": role})["token"]
                       for role in ROLES}
        self.machine = self.machines[0]
        self.machine.join()
        self.machine.agent.start()
        self.machine.kitbag("login", "zoe", "--group", "sales")
        self.machine.kitbag("set", "zoe", "copy/default", "1", "--wait=10s")
        self.machine.kitbag("set", "zoe", "keychain/wiki", "secret", "--wait=10s")
        wait_until("the machine is current", lambda: self.machine.is_current(self.head()))
        self.device_id = self.local("GET", "/devices")["devices"][0]["id"]
        self.stock = []

    # --- asking

    def local(self, method, path, body=None):
        """By the server's own socket, as admin; it has to work."""
        self.socket.request(method, "/api/v1" + path, encode(body))
        answer = read(self.socket)
        check(answer.status < 300, f"{method} {path}: {answer.status} {answer.bytes[:300]}")
        return answer.json

    def seq(self):
        """The newest change: of what changed nothing it is as before."""
        return int(self.local("GET", "/sync")["head"])

    def connect(self, source="127.0.0.1"):
        return http.client.HTTPSConnection("127.0.0.1", self.console_port, timeout=20,
                                           context=self.context, source_address=(source, 0))

    def ask(self, method, target, body=None, headers=None, source="127.0.0.1"):
        connection = self.connections.setdefault(source, self.connect(source))
        try:
            connection.request(method, target, encode(body), headers or {})
            return read(connection)
        except (OSError, http.client.HTTPException):
            connection.close()
            raise

    def headers(self, role, session=False):
        if role == "none":
            return {}
        return self.session(role).headers if session else \
            {"Authorization": f"Bearer {self.tokens[role]}"}

    # --- what there is to ask for; each is new

    def name(self):
        return f"n{next(self.counter)}"

    def users(self, count):
        names = [self.name() for _ in range(count)]
        ldif = "".join(f"dn: uid={name}\nobjectClass: person\nuid: {name}\n\n" for name in names)
        self.local("POST", "/owners/import?format=ldif", ldif)
        return names

    def user(self):
        if not self.stock:
            self.stock = self.users(200)
        return self.stock.pop()

    def written(self):
        """A user with an item."""
        user = self.user()
        self.local("PUT", f"/owners/user/{user}/items/copy%2Fa", "1")
        return user

    def deleted(self):
        user = self.written()
        self.local("POST", "/owners/delete", {"users": [user]})
        return user

    def account(self, role="viewer"):
        name = self.name()
        self.local("POST", "/accounts", {"name": name, "role": role, "password": PASSWORD})
        return name

    def token_id(self):
        return self.local("POST", "/tokens", {"name": self.name(), "role": "viewer"})["id"]

    def enrollment(self):
        return self.local("POST", "/enrollments", {})["ids"][0]

    def device(self):
        """A machine that has joined, and is away."""
        name = self.name()
        self.add(name, join=False).join()
        return next(row["id"] for row in self.local("GET", f"/devices?filter={name}")["devices"]
                    if row["name"] == name)

    def fence(self):
        category = f"category-{self.name()}"
        self.local("POST", "/fences", {"layer": "shared", "category": category})
        return category

    def chosen(self):
        """Whom to export; what was prepared before is dropped, for there is room for a few."""
        ids = [row["id"] for row in self.local("GET", "/exports")["exports"]]
        if ids:
            self.local("POST", "/exports/delete", {"ids": ids})
        return {"users": [self.user()]}

    def export(self, **more):
        return self.local("POST", "/exports", {**self.chosen(), **more})["id"]

    def switched(self):
        """A category is shared that was not, or the other way round: the seq of that change."""
        rows = self.local("GET", "/sharing")["sharing"]
        now = next(row["sharing"] for row in rows if row["path"] == "store/default")
        to = "shared" if now == "device" else "device"
        changes = {"store/default": to}
        return self.local("PUT", "/sharing", {"changes": changes, "copy": True})["seq"]

    def apart(self):
        """Each machine has a timeline of its own."""
        return self.local("PUT", "/sharing", {"changes": {"home/timeline": "device"},
                                              "copy": True})["categories"] is not None

    def sign_in(self, name, password):
        answer = self.ask("POST", "/api/v1/session", {"name": name, "password": password})
        check(answer.status == 200, f"{name} can't sign in: {answer.bytes[:300]}")
        return Session(name, password, answer.headers["Set-Cookie"].split(";")[0],
                       answer.json["csrf"])

    def session(self, role):
        """Of an account whose password is nobody else's."""
        if role not in self.sessions:
            first = self.sign_in(self.account(role), PASSWORD)
            answer = self.ask("POST", "/api/v1/session/password",
                              {"old": PASSWORD, "new": PASSWORD + " 2"}, first.headers)
            check(answer.status == 200, f"the password: {answer.bytes[:300]}")
            self.sessions[role] = Session(first.name, PASSWORD + " 2",
                                          answer.headers["Set-Cookie"].split(";")[0],
                                          answer.json["csrf"])
        return self.sessions[role]

    def new_session(self, role):
        self.sessions.pop(role, None)
        return self.session(role)


# --- the description ---------------------------------------------------------------------------


def strict(value):
    """The same schemas, but that members which they do not tell are wrong."""
    if isinstance(value, list):
        return [strict(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {key: strict(one) for key, one in value.items()}
    if "properties" in made and made.get("type") == "object":
        made.setdefault("additionalProperties", False)
    return made


@dataclass
class Description:
    document: dict
    validators: dict = field(default_factory=dict)

    def __post_init__(self):
        schemas = self.document["components"]["schemas"]
        told = {name: schema if name == "Problem" else strict(schema)
                for name, schema in schemas.items()}
        self.components = {**self.document["components"], "schemas": told}

    def operations(self):
        """(method, path) -> operation"""
        return {(method.upper(), path): operation
                for path, methods in self.document["paths"].items()
                for method, operation in methods.items()}

    def resolve(self, value):
        while "$ref" in value:
            value = self.components[value["$ref"].split("/")[2]][value["$ref"].split("/")[3]]
        return value

    def media(self, key, answer):
        """What is told of answers of this status and type."""
        operation = self.operations()[key]
        response = operation["responses"].get(str(answer.status))
        check(response, f"{key}: the status {answer.status} is not described")
        content = self.resolve(response)["content"]
        check(answer.type in content, f"{key}: {answer.status} as {answer.type} is not described")
        return content[answer.type]

    def check_value(self, key, schema, value):
        name = json.dumps(schema)
        if name not in self.validators:
            self.validators[name] = Draft202012Validator(
                {**strict(schema), "components": self.components})
        errors = [f"{'/'.join(map(str, error.absolute_path))}: {error.message[:300]}"
                  for error in self.validators[name].iter_errors(value)]
        check(not errors, f"{key}: the answer is not as described: {errors[:3]}")

    def check_answer(self, key, answer):
        media = self.media(key, answer)
        if "schema" in media and answer.type not in STREAMS:
            value = answer.bytes.decode(errors="replace") if answer.json is None else answer.json
            self.check_value(key, media["schema"], value)
