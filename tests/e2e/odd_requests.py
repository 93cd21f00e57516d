"""Requests that no honest client sends: (name, bytes, the statuses of what comes back).

TOKEN and VIEWER in the bytes stand for API tokens of an administrator and of a viewer.
"""
HOST = b"Host: x\r\n"
CLOSE = b"Host: x\r\nConnection: close\r\n"
TOKEN = b"Authorization: Bearer TOKEN\r\n"
VIEWER = b"Authorization: Bearer VIEWER\r\n"


def line(first, status, headers=CLOSE):
    return (repr(first[:60]), first + b"\r\n" + headers + b"\r\n", [status])


def header(text, status):
    return (repr(text[:60]), b"GET /livez HTTP/1.1\r\n" + CLOSE + text + b"\r\n\r\n", [status])


def host(text, status):
    return (f"hosts {text[:60]!r}", b"GET /livez HTTP/1.1\r\nConnection: close\r\n" + text
            + b"\r\n", [status])


# What is sent, by the status that comes back.
LINES = {
    200: [
        b"GET /livez HTTP/1.1", b"HEAD /livez HTTP/1.1",
    ],
    400: [
        b"GET /livez HTTP/2", b"GET /livez HTTP/1.1 ", b"GET /livez HTTP/1.11",
        b"GET /livez http/1.1", b"GET /livez HTTPS/1.1", b"GET /livez", b"GET", b"", b"  ",
        b"GET  /livez HTTP/1.1", b" GET /livez HTTP/1.1", b"GET\t/livez\tHTTP/1.1",
        b"GET /li vez HTTP/1.1", b"G(T /livez HTTP/1.1", b"G\x00T /livez HTTP/1.1",
        "GÉT /livez HTTP/1.1".encode(), b"GET livez HTTP/1.1", b"GET \\livez HTTP/1.1",
        b"GET http://x/livez HTTP/1.1", b"GET https://x/livez HTTP/1.1", b"OPTIONS * HTTP/1.1",
        b"CONNECT x:443 HTTP/1.1", b"GET /livez#part HTTP/1.1", b"GET /livez\x00 HTTP/1.1",
        b"GET /livez\x7f HTTP/1.1", b"GET /\xff HTTP/1.1",
    ],
    404: [
        b"GET /" + b"a" * 9000 + b" HTTP/1.1",
    ],
    405: [
        b"get /livez HTTP/1.1", b"TRACE /livez HTTP/1.1", b"OPTIONS /livez HTTP/1.1",
        b"PUT /livez HTTP/1.1", b"BREW /livez HTTP/1.1", b"DELETE /api/v1/status HTTP/1.1",
        b"POST / HTTP/1.1",
    ],
    431: [
        b"GET /" + b"a" * 17000 + b" HTTP/1.1", b"A" * 17000 + b" / HTTP/1.1",
    ],
    505: [
        b"GET /livez HTTP/1.0", b"GET /livez HTTP/0.9", b"GET /livez HTTP/1.2",
        b"GET /livez HTTP/2.0", b"PRI * HTTP/2.0",
    ],
}

HOSTS = {
    200: [
        b"Host: [::1]:8444\r\n",
    ],
    400: [
        b"", b"Host:\r\n", b"Host: x\r\nHost: x\r\n", b"Host: x\r\nhost: y\r\n", b"Host: x y\r\n",
        b"Host: x/y\r\n", b"Host: x,y\r\n", b"Host: a@x\r\n", b"Host: x\x01\r\n", b"Host : x\r\n",
    ],
}

HEADERS = {
    200: [
        "X: ünïcode".encode(), b"X:", b"X: a\r\n" * 97 + b"X: a",
        b"Upgrade: h2c\r\nConnection: Upgrade",
    ],
    400: [
        b"X: a\r\n b", b"X: a\r\n\tb", b"X : a", b"X\t: a", b"X Y: a", b": a", b"no colon",
        b"X: a\x00b", b"X: a\rb", b"X: a\nY: b", b"X: \x7f", b"X: \x1b[31m",
        "Ünïcode: a".encode(), b"Expect: 200-ok", b"Cookie: a=1\r\nCookie: a=2",
        b"Authorization: a\r\nAuthorization: b", b"X-CSRF-Token: a\r\nx-csrf-token: b",
        b"If-Match: 1\r\nIf-Match: 2", b"If-None-Match: 1\r\nIf-None-Match: 2",
        b"Range: bytes=0-1\r\nRange: bytes=2-3",
    ],
    431: [
        b"X: a\r\n" * 98 + b"X: a", b"X: " + b"a" * 17000,
    ],
}

HEADS = [make(text, status) for make, rows in ((line, LINES), (host, HOSTS), (header, HEADERS))
         for status, texts in rows.items() for text in texts]


def post(headers, body=b""):
    return b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n" + body


NEXT = b"GET /livez HTTP/1.1\r\n" + CLOSE + b"\r\n"

# What follows must not be taken for a request of its own.
SMUGGLING = [
    ("length and chunks", post(b"Content-Length: 6\r\nTransfer-Encoding: chunked\r\n",
                               b"0\r\n\r\n" + NEXT), [400]),
    ("chunks and length", post(b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n",
                               b"5c\r\n" + NEXT + b"0\r\n\r\n"), [400]),
    ("chunks", post(b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n" + NEXT), [400]),
    ("identity", post(b"Transfer-Encoding: identity\r\n", NEXT), [400]),
    ("odd chunks", post(b"Transfer-Encoding: xchunked\r\n", NEXT), [400]),
    ("chunks twice", post(b"Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n", NEXT), [400]),
    ("chunks behind a space", post(b"Transfer-Encoding : chunked\r\n", NEXT), [400]),
    ("chunks behind a fold", post(b"X: y\r\n Transfer-Encoding: chunked\r\n", NEXT), [400]),
    ("chunks behind a line feed", post(b"X: y\nTransfer-Encoding: chunked\r\n", NEXT), [400]),
    ("chunks with a control byte", post(b"Transfer-Encoding: \x0bchunked\r\n", NEXT), [400]),
    ("two lengths", post(b"Content-Length: 0\r\nContent-Length: 5\r\n", NEXT), [400]),
    ("one length twice", post(b"Content-Length: 5\r\nContent-Length: 5\r\n", NEXT), [400]),
    ("a list of lengths", post(b"Content-Length: 5, 5\r\n", NEXT), [400]),
    ("a signed length", post(b"Content-Length: +5\r\n", NEXT), [400]),
    ("a negative length", post(b"Content-Length: -5\r\n", NEXT), [400]),
    ("a length in hex", post(b"Content-Length: 0x5\r\n", NEXT), [400]),
    ("a length with a blank", post(b"Content-Length: 5 5\r\n", NEXT), [400]),
    ("a length with a point", post(b"Content-Length: 5.0\r\n", NEXT), [400]),
    ("a length with an exponent", post(b"Content-Length: 5e0\r\n", NEXT), [400]),
    ("a length with a quote", post(b'Content-Length: "5"\r\n', NEXT), [400]),
    ("no length", post(b"Content-Length:\r\n", NEXT), [400]),
    ("a length beyond all numbers", post(b"Content-Length: 18446744073709551617\r\n", NEXT), [400]),
    ("a length of another script", post("Content-Length: ٥\r\n".encode(), NEXT), [400]),
    ("a length behind a space", post(b"Content-Length : 5\r\n", NEXT), [400]),
    ("a large length", post(b"Content-Length: 999999999999999\r\n", NEXT), [413]),
    ("a body for who takes none", b"GET /livez HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n"
     + NEXT, [413]),
    ("a body for who is not there", b"POST /none HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n"
     + NEXT, [404]),
    ("a body for a file", b"GET / HTTP/1.1\r\n" + HOST + b"Content-Length: 5\r\n\r\n" + NEXT,
     [413]),
    ("a cut body", post(b"Content-Length: 5\r\nConnection: close\r\n", b"{}   " + NEXT), [400]),
    ("two whole requests", b"GET /livez HTTP/1.1\r\n" + HOST + b"\r\n" + NEXT, [200, 200]),
    ("nothing behind the last", NEXT + NEXT, [200]),
]


def get(path, status, headers=CLOSE + TOKEN):
    return (path[:60].decode(errors="replace"), b"GET " + path + b" HTTP/1.1\r\n" + headers
            + b"\r\n", [status])


PATHS = [
    get(b"/../../etc/passwd", 404),
    get(b"/..%2f..%2fetc/passwd", 404),
    get(b"/%2e%2e/%2e%2e/etc/passwd", 404),
    get(b"/..\\..\\etc\\passwd", 404),
    get(b"/....//....//etc/passwd", 404),
    get(b"//etc/passwd", 404),
    get(b"//livez", 404),
    get(b"/./livez", 404),
    get(b"/livez/", 404),
    get(b"/livez/..", 404),
    get(b"/LIVEZ", 404),
    get(b"/%6civez", 404),
    get(b"/livez%00", 404),
    get(b"/livez;x=1", 404),
    get(b"/api", 404),
    get(b"/api/v1", 404),
    get(b"/api/v1/", 404),
    get(b"/api/v2/status", 404),
    get(b"/api/v1//status", 404),
    get(b"/api/v1/status/", 404),
    get(b"/api/v1/../v1/status", 404),
    get(b"/.git/config", 404),
    get(b"/keys/console.key", 404),
    get(b"/admin.sock", 404),
    get(b"/api/v1/owners/user/..%2f..%2fkeys", 400),
    get(b"/api/v1/owners/user/%2e%2e/items/x", 404),
    get(b"/api/v1/owners/user/%00", 400),
    get(b"/api/v1/owners/user/a%00b", 400),
    get(b"/api/v1/owners/user/%", 400),
    get(b"/api/v1/owners/user/%4", 400),
    get(b"/api/v1/owners/user/%zz", 400),
    get(b"/api/v1/owners/user/%ff", 400),
    get(b"/api/v1/owners/user/%c0%af", 400),
    get(b"/api/v1/owners/user/%ed%a0%80", 400),
    get(b"/api/v1/owners/user/" + b"a" * 2000, 413),
    get(b"/api/v1/owners/printer/ann", 400),
    get(b"/api/v1/owners/user/nobody", 404),
    get(b"/api/v1/status?x=1", 400),
    get(b"/api/v1/owners?limit=1&limit=2", 400),
    get(b"/api/v1/owners?limit=-1", 400),
    get(b"/api/v1/owners?limit=1e3", 400),
    get(b"/api/v1/owners?limit=99999999999999999999", 400),
    get(b"/api/v1/owners?search=%ff", 400),
    get(b"/api/v1/owners?search=" + b"a" * 1100, 413),
    get(b"/api/v1/owners?cursor=%27%20OR%201=1", 400),
    get(b"/api/v1/status?", 200),
    get(b"/api/v1/status?&&", 200),
]


def send(body, status, path=b"/api/v1/owners/delete", headers=CLOSE + TOKEN):
    request = b"POST " + path + b" HTTP/1.1\r\n" + headers
    return (repr(body[:60]), request + b"Content-Length: %d\r\n\r\n" % len(body) + body, [status])


BODIES = [
    send(b"not json", 400),
    send(b"{", 400),
    send(b'{"users":["ann"]} trailing', 400),
    send(b"[]", 400),
    send(b'"users"', 400),
    send(b"null", 400),
    send(b"1", 400),
    send(b'{"user":["ann"]}', 400),
    send(b'{"users":["ann"],"dry-run":true}', 400),
    send(b'{"users":[],"users":["ann"]}', 400),
    send(b'{"users":"ann"}', 400),
    send(b'{"users":[1]}', 400),
    send(b'{"users":[null]}', 400),
    send(b'{"users":{"ann":true}}', 400),
    send(b'{"users":["ann"],"dry_run":"yes"}', 400),
    send(b'{"users":["ann"],"dry_run":1}', 400),
    send(b'{"users":["a\\u0000b"]}', 400),
    send(b'{"users":["\\ud800"]}', 400),
    send(b'{"users":["\xff"]}', 400),
    send(b'\xef\xbb\xbf{"users":[]}', 400),
    send(b'{"users":[' + b"[" * 5000 + b"]" * 5000 + b"]}", 400),
    send(b'{"users":["ann",]}', 400),
    send(b"{'users':['ann']}", 400),
    send(b'{"users":[NaN]}', 400),
    send(b"\x00" * 100, 400),
    send(b" " * (1 << 20) + b" ", 413),
    ("a body that never comes", b"POST /api/v1/owners/delete HTTP/1.1\r\n" + CLOSE + TOKEN
     + b"Content-Length: 1048577\r\n\r\n", [413]),
]

SIGNED = [
    get(b"/api/v1/status", 200),
    get(b"/api/v1/status", 401, CLOSE),
    get(b"/api/v1/status", 401, CLOSE + b"Authorization: Bearer\r\n"),
    get(b"/api/v1/status", 401, CLOSE + b"Authorization: Bearer \r\n"),
    get(b"/api/v1/status", 401, CLOSE + b"Authorization: TOKEN\r\n"),
    get(b"/api/v1/status", 401, CLOSE + b"Authorization: Bearer TOKENx\r\n"),
    get(b"/api/v1/status", 401, CLOSE + b"Authorization: Bearer kba_" + b"A" * 43 + b"\r\n"),
    get(b"/api/v1/status", 401, CLOSE + b"Authorization: Basic YWRtaW46YWRtaW4=\r\n"),
    get(b"/api/v1/status", 401, CLOSE + b"Authorization: Bearer " + b"A" * 9000 + b"\r\n"),
    get(b"/api/v1/status", 401, CLOSE + b"Cookie: __Host-kitbag=TOKEN\r\n"),
    get(b"/api/v1/status", 401, CLOSE + b"Cookie: " + b"a=b; " * 1500 + b"\r\n"),
    get(b"/api/v1/status", 401, CLOSE + b"Cookie: =;=;;__Host-kitbag\r\n"),
    get(b"/api/v1/session", 401, CLOSE),
    get(b"/api/v1/status", 200, CLOSE + VIEWER),
    get(b"/api/v1/accounts", 403, CLOSE + VIEWER),
    get(b"/api/v1/tokens", 403, CLOSE + VIEWER),
    send(b'{"users":["ann"]}', 403, headers=CLOSE + VIEWER),
    send(b'{"users":["ann"]}', 401, headers=CLOSE),
    send(b'{"count":1}', 403, b"/api/v1/enrollments", CLOSE + VIEWER),
    send(b'{"names":["admin"]}', 403, b"/api/v1/accounts/delete", CLOSE + VIEWER),
    send(b'{"names":["admin"]}', 409, b"/api/v1/accounts/delete"),
    send(b'{"name":"admin","password":"wrong horse"}', 401, b"/api/v1/session", CLOSE),
    send(b'{"name":"nobody","password":"wrong horse"}', 401, b"/api/v1/session", CLOSE),
    send(b'{"name":"admin"}', 400, b"/api/v1/session", CLOSE),
    send(b"", 400, b"/api/v1/session", CLOSE),
    send(b" " * 5000, 413, b"/api/v1/session", CLOSE),
]
