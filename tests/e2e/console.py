"""A server with its console on a port of loopback, for the tests beside this file."""
import http.client
import json
import socket
import ssl
import time

from fleet import Fleet, check, wait_until

PASSWORD = "correct horse battery"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost")
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.path)


class Console(Fleet):
    """A server with its console on a port of loopback, and an API token of an administrator."""

    def __init__(self, *options, machines=0):
        super().__init__(machines, ("--set", "journal.segment_size=8M", "--console", "127.0.0.1:0",
                             *options))
        password = self.dir / "password"
        password.write_text(PASSWORD + "\n")
        self.server.command += ["--admin-password-file", str(password)]
        self.context = ssl.create_default_context()
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE

    def __enter__(self):
        super().__enter__()
        self.start_console()
        log = self.dir / "server.log"
        wait_until("the account is made", lambda: "no longer needed" in log.read_text())
        self.admin = self.local("POST", "/api/v1/tokens",
                                {"name": "test", "role": "admin"})["token"]
        self.viewer = self.local("POST", "/api/v1/tokens",
                                 {"name": "viewer", "role": "viewer"})["token"]
        return self

    def start_console(self):
        """Start the server; it chooses the console's port, each time another one."""
        self.server.start()
        log = (self.dir / "server.log").read_text()
        line = [line for line in log.splitlines() if "console.listening" in line][-1]
        self.console_port = int(line.split("address=https://127.0.0.1:")[1].split()[0])

    def local(self, method, path, body=None):
        connection = UnixConnection(self.data / "admin.sock")
        connection.request(method, path, json.dumps(body) if body is not None else None)
        answer = connection.getresponse()
        document = json.loads(answer.read())
        check(answer.status < 300, f"{method} {path}: {document}")
        return document

    def seq(self):
        return self.local("GET", "/api/v1/status")["seq"]

    def dial(self, timeout=20.0, source="127.0.0.1"):
        return socket.create_connection(("127.0.0.1", self.console_port), timeout, (source, 0))

    def connect(self, timeout=20.0, source="127.0.0.1"):
        return self.context.wrap_socket(self.dial(timeout, source))

    def ask(self, request, timeout=20.0):
        """All that comes back, until the server closes or says nothing for a moment."""
        with self.connect(timeout) as connection:
            try:
                connection.sendall(request)
            except OSError:
                pass  # it has heard enough
            return read_all(connection)

    def honest(self, source="127.0.0.1"):
        """A request as it should be; how long it took."""
        begin = time.monotonic()
        with self.connect(source=source) as connection:
            connection.sendall(b"GET /api/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                               b"Authorization: Bearer " + self.admin.encode() + b"\r\n\r\n")
            answer = read_all(connection)
        check(answer.startswith(b"HTTP/1.1 200 "), f"an honest request got {answer[:200]!r}")
        return time.monotonic() - begin

    def fingerprint(self):
        with self.connect() as connection:
            return connection.getpeercert(binary_form=True)


def read_all(connection, quiet_s=0.5):
    """Answers until the end, or until nothing came for a while behind a whole one."""
    answer = b""
    try:
        while True:
            piece = connection.recv(65536)
            if not piece:
                return answer
            answer += piece
            connection.settimeout(quiet_s)
    except (TimeoutError, ConnectionResetError, ssl.SSLError):
        return answer
