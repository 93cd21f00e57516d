"""For each route of the API: requests that work, that are wrong, that ask for what is not there,
and that come too late. A request is made anew for everybody who sends it.
"""
from dataclasses import dataclass

from api_world import PASSWORD

LONG = "x" * 1025
NO_ID = "0123456789abcdef"
NO_HISTORY = "0123456789abcdef0123456789abcdef"
# What is no name, whoever is named so: empty, a control character, one that turns text around, two
# halves of nothing.
NO_NAMES = ("", "a\tb", "a\u202eb", " a", "x" * 300)


@dataclass
class Case:
    kind: str  # ok, bad, missing, conflict
    make: object  # world -> (target, body, headers); what is left out is nothing
    status: int
    code: str = None
    role: str = None  # the least that it takes, when that is not the route's


def ok(make, status=200, **more):
    return Case("ok", make, status, **more)


def bad(make, code="invalid", status=400):
    return Case("bad", make, status, code)


def missing(make, code="not_found", status=404):
    return Case("missing", make, status, code)


def conflict(make, status, code):
    return Case("conflict", make, status, code)


def said(target, body=None, headers=None):
    """The same for everybody."""
    return lambda world: (target, body, headers)


def bad_json(target, *bodies):
    """Bodies that are wrong for every route that takes JSON, and those of this one."""
    rows = [bad(said(target, text), "malformed") for text in
            ("{", '{"dry_run": true, "dry_run": false}', b"\xff", '{"a": "\\u0000"}', "7", "null")]
    rows += [bad(said(target, text)) for text in ("[]", '{"surprise": 1}')]
    return rows + [bad(said(target, body)) for body in bodies]


def bad_query(target, **parameters):
    """Each parameter with each of its wrong values, and one that nobody knows."""
    sign = "&" if "?" in target else "?"
    rows = [bad(said(f"{target}{sign}surprise=1"))]
    for name, values in parameters.items():
        rows += [bad(said(f"{target}{sign}{name}={value}")) for value in values]
    return rows


LIMIT = ("0", "-1", "many", "", "1.5", "99999999999999999999")
FLAG = ("maybe", "2", "TRUE", "null")
ID = ("1", "zz", "0123456789abcdeg", "", "user:zoe")
MOMENT = ("nonsense", "0", "99999999", "2026-13-01", "")

A = "/api/v1"
ZOE = f"{A}/owners/user/zoe"
NOBODY = f"{A}/owners/user/nobody"
NO_KIND = f"{A}/owners/machine/zoe"
LDIF = "dn: uid={0}\nobjectClass: person\nuid: {0}\nmail: {0}@example.org\n"


def owner_cases(end, **query):
    """Of a route about one owner."""
    return [ok(said(ZOE + end)), ok(said(f"{A}/owners/group/SALES{end}")),
            *bad_query(ZOE + end, **query), bad(said(NO_KIND + end)),
            bad(said(f"{A}/owners/user/a%0Ab{end}"), "name"),
            bad(said(f"{A}/owners/user/{LONG}{end}"), "too_large", 413),
            bad(said(f"{A}/owners/user/%ff{end}"), "malformed"),
            missing(said(NOBODY + end)), missing(said(f"{A}/owners/group/nobody{end}"))]


def last_admins(world):
    rows = world.local("GET", "/accounts")["accounts"]
    return [row["name"] for row in rows if row["role"] == "admin"]


def removed(world):
    device = world.device()
    world.local("POST", "/devices/delete", {"ids": [device]})
    return device


def showing_again(category):
    """What stands there hides it: an exception now would bring its old values back."""
    return {"layer": "shared", "category": category, "except": [category + "/a"]}


def backups(world):
    """A folder with a backup of this server."""
    path = world.dir / "backups"
    if not path.exists():
        world.ctl("backup", path)
    return str(path)


def full_folder(world):
    """Somebody's own folder."""
    path = world.dir / "full"
    path.mkdir(mode=0o700, exist_ok=True)
    (path / "thesis").write_text("mine")
    return str(path)


ROWS = {
    ("POST", f"{A}/session"): [
        ok(said(f"{A}/session", {"name": "admin", "password": PASSWORD})),
        *bad_json(f"{A}/session", {"name": "admin"}, {"name": 1, "password": "a"},
                  {"name": ["admin"], "password": PASSWORD}),
        missing(lambda w: (f"{A}/session", {"name": w.name(), "password": PASSWORD}),
                "bad_credentials", 401)],
    ("GET", f"{A}/session"): [ok(said(f"{A}/session")), *bad_query(f"{A}/session")],
    ("DELETE", f"{A}/session"): [ok(said(f"{A}/session")), *bad_query(f"{A}/session")],
    ("POST", f"{A}/session/password"): [
        *bad_json(f"{A}/session/password", {"old": PASSWORD + " 2"},
                  {"old": PASSWORD + " 2", "new": "short"},
                  {"old": PASSWORD + " 2", "new": 12345678}),
        missing(said(f"{A}/session/password", {"old": "another one", "new": PASSWORD + " 3"}),
                "bad_credentials", 403),
        ok(said(f"{A}/session/password", {"old": PASSWORD + " 2", "new": PASSWORD + " 3"}))],
    ("GET", f"{A}/accounts"): [
        ok(said(f"{A}/accounts")), ok(said(f"{A}/accounts?limit=1&cursor=admin")),
        *bad_query(f"{A}/accounts", limit=(*LIMIT, "1001"))],
    ("POST", f"{A}/accounts"): [
        ok(lambda w: (f"{A}/accounts", {"name": w.name(), "role": "viewer"}), 201),
        ok(lambda w: (f"{A}/accounts", {"name": w.name(), "role": "admin",
                                        "password": PASSWORD}), 201),
        *bad_json(f"{A}/accounts", {}, {"name": "new"}, {"name": "new", "role": "root"},
                  {"name": "new", "role": 3}, {"name": 3, "role": "viewer"},
                  {"name": "new", "role": "viewer", "password": "short"}),
        *[bad(said(f"{A}/accounts", {"name": name, "role": "viewer"}), "name")
          for name in NO_NAMES],
        conflict(said(f"{A}/accounts", {"name": "ADMIN", "role": "viewer"}), 409, "exists")],
    ("PATCH", f"{A}/accounts/{{name}}"): [
        ok(lambda w: (f"{A}/accounts/{w.account()}", {"role": "operator"})),
        ok(lambda w: (f"{A}/accounts/{w.account()}", {"unlock": True, "password": "another one"})),
        *bad_json(f"{A}/accounts/admin", {"role": "root"}, {"unlock": 1}, {"password": "short"},
                  {}),
        bad(said(f"{A}/accounts/admin", {"unlock": True}, {"If-Match": "soon"})),
        missing(said(f"{A}/accounts/nobody", {"role": "viewer"})),
        conflict(lambda w: (f"{A}/accounts/{w.account()}", {"role": "admin"}, {"If-Match": '"1"'}),
                 412, "condition_failed")],
    ("POST", f"{A}/accounts/delete"): [
        ok(lambda w: (f"{A}/accounts/delete", {"names": [w.account(), "nobody"]})),
        ok(lambda w: (f"{A}/accounts/delete", {"names": [w.account()], "dry_run": True})),
        *bad_json(f"{A}/accounts/delete", {}, {"names": []}, {"names": "admin"}, {"names": [1]},
                  {"names": ["admin"], "dry_run": "yes"}),
        missing(said(f"{A}/accounts/delete", {"names": ["nobody"]})),
        conflict(lambda w: (f"{A}/accounts/delete", {"names": last_admins(w)}), 409,
                 "last_admin")],
    ("GET", f"{A}/tokens"): [
        ok(said(f"{A}/tokens")), ok(said(f"{A}/tokens?limit=1&cursor={NO_ID}")),
        *bad_query(f"{A}/tokens", limit=(*LIMIT, "1001"), cursor=ID)],
    ("POST", f"{A}/tokens"): [
        ok(lambda w: (f"{A}/tokens", {"name": w.name(), "role": "viewer", "expires_s": 60}), 201),
        *bad_json(f"{A}/tokens", {}, {"name": "new"}, {"name": "new", "role": "root"},
                  {"name": "new", "role": "viewer", "expires_s": 59},
                  {"name": "new", "role": "viewer", "expires_s": 1e30},
                  {"name": "new", "role": "viewer", "expires_s": "60"}),
        bad(said(f"{A}/tokens", {"name": "a\tb", "role": "viewer"}), "name"),
        conflict(said(f"{A}/tokens", {"name": "Viewer", "role": "viewer"}), 409, "exists")],
    ("POST", f"{A}/tokens/delete"): [
        ok(lambda w: (f"{A}/tokens/delete", {"ids": [w.token_id(), "nobody"]})),
        ok(lambda w: (f"{A}/tokens/delete", {"ids": [w.token_id()], "dry_run": True})),
        *bad_json(f"{A}/tokens/delete", {}, {"ids": []}, {"ids": NO_ID}, {"ids": [1]},
                  {"ids": [NO_ID], "dry_run": 1}),
        missing(said(f"{A}/tokens/delete", {"ids": [NO_ID]}))],
    ("GET", f"{A}/audit"): [
        ok(said(f"{A}/audit?limit=3")), ok(said(f"{A}/audit?actor=admin&action=token&from=-1d")),
        *bad_query(f"{A}/audit", limit=(*LIMIT, "1001"), to=MOMENT, cursor=("1", "abc", "", "-1"),
                   **{"from": ("nonsense", "")})],
    ("GET", f"{A}/status"): [ok(said(f"{A}/status")),
                             *bad_query(f"{A}/status", feed=("ndjson", "SSE", ""))],
    ("GET", f"{A}/status/samples"): [
        ok(said(f"{A}/status/samples?minutes=1")),
        *bad_query(f"{A}/status/samples", minutes=(*LIMIT, "61"))],
    ("GET", f"{A}/owners"): [
        ok(said(f"{A}/owners?limit=1")), ok(said(f"{A}/owners?search=ZO&kind=user")),
        ok(said(f"{A}/owners?cursor=group:&kind=")),
        *bad_query(f"{A}/owners", limit=(*LIMIT, "1001"), kind=("machine", "User"),
                   cursor=("zoe", "", "machine:zoe", NO_ID)),
        bad(said(f"{A}/owners?kind=group&cursor=user:zoe")),
        bad(said(f"{A}/owners?search={'x' * 1000}"), "name")],
    ("GET", f"{A}/owners/deleted"): [
        ok(lambda w: (w.deleted() and f"{A}/owners/deleted?limit=1",)),
        ok(said(f"{A}/owners/deleted?gone=1&kind=user&search=n")),
        *bad_query(f"{A}/owners/deleted", limit=(*LIMIT, "1001"), kind=("machine",), gone=FLAG,
                   cursor=("zoe", "", "1x"))],
    ("GET", f"{A}/owners/{{kind}}/{{name}}"): [
        *owner_cases("", at=MOMENT, device=ID), ok(said(f"{ZOE}?at=-0s")),
        missing(said(f"{ZOE}?at=2"))],
    ("GET", f"{A}/owners/{{kind}}/{{name}}/devices"): owner_cases(
        "/devices", limit=(*LIMIT, "1001"), cursor=ID),
    ("GET", f"{A}/owners/{{kind}}/{{name}}/items"): [
        *owner_cases("/items", limit=(*LIMIT, "10001"), values=FLAG, at=MOMENT, device=ID,
                     cursor=("x" * 1024,)),
        ok(said(f"{ZOE}/items?values=1&limit=1"))],
    ("GET", f"{A}/owners/{{kind}}/{{name}}/items/{{path}}"): [
        ok(said(f"{ZOE}/items/copy%2Fdefault")),
        *bad_query(f"{ZOE}/items/copy%2Fdefault", at=MOMENT, device=ID),
        bad(said(f"{ZOE}/items/..%2Fcopy"), "item_path"),
        bad(said(f"{ZOE}/items/keychain%2Fwiki"), "not_allowed", 403),
        missing(said(f"{ZOE}/items/copy%2Fnothing")),
        missing(said(f"{NOBODY}/items/copy%2Fdefault"))],
    ("PUT", f"{A}/owners/{{kind}}/{{name}}/items/{{path}}"): [
        ok(lambda w: (f"{A}/owners/user/{w.user()}/items/copy%2Fa", b"\0\xff")),
        ok(lambda w: (f"{A}/owners/user/{w.user()}/items/copy%2Fa?dry_run", "1")),
        ok(lambda w: (f"{A}/owners/user/{w.written()}/items/copy%2Fa", "2", {"If-Match": "*"})),
        *[bad(said(f"{ZOE}/items/copy%2Fa?{query}", "1")) for query in
          ("dry_run=maybe", "device=1", "surprise=1")],
        *[bad(said(f"{ZOE}/items/{path}", "1"), "item_path") for path in
          ("@group%2Fsales", "..%2Fa", "a%2F%2Fb", "%2Fa", "a%0Ab")],
        bad(said(f"{ZOE}/items/copy%2Fa", "1", {"If-Match": "soon"})),
        bad(said(f"{ZOE}/items/copy%2Fa", "x" * (2 << 20)), "too_large", 413),
        missing(said(f"{NOBODY}/items/copy%2Fa", "1")),
        conflict(said(f"{ZOE}/items/copy%2Fdefault", "2", {"If-Match": '"1"'}), 412,
                 "condition_failed"),
        conflict(said(f"{ZOE}/items/copy%2Fdefault", "2", {"If-Match": "0"}), 412,
                 "condition_failed"),
        conflict(lambda w: (w.apart() and f"{ZOE}/items/home%2Ftimeline%2F1", "1"), 409,
                 "sharing_changed")],
    ("DELETE", f"{A}/owners/{{kind}}/{{name}}/items/{{path}}"): [
        ok(lambda w: (f"{A}/owners/user/{w.written()}/items/copy%2Fa",)),
        ok(lambda w: (f"{A}/owners/user/{w.written()}/items/copy%2Fa?dry_run=1",)),
        bad(said(f"{ZOE}/items/@group%2Fsales"), "item_path"),
        *bad_query(f"{ZOE}/items/copy%2Fdefault", dry_run=FLAG, device=ID),
        missing(said(f"{ZOE}/items/copy%2Fnothing")),
        missing(said(f"{NOBODY}/items/copy%2Fa")),
        conflict(said(f"{ZOE}/items/copy%2Fdefault", None, {"If-Match": "1"}), 412,
                 "condition_failed")],
    ("GET", f"{A}/owners/{{kind}}/{{name}}/history"): [
        *owner_cases("/history", limit=(*LIMIT, "1001"), values=FLAG, device=ID, to=MOMENT,
                     cursor=("abc", "", "1", "99999999", f"{NO_HISTORY}:7"),
                     **{"from": ("nonsense",)}),
        ok(said(f"{ZOE}/history?values=1&limit=2&item=copy")),
        bad(said(f"{ZOE}/history?item=.."), "item_path")],
    ("GET", f"{A}/owners/{{kind}}/{{name}}/explain"): [
        ok(said(f"{ZOE}/explain?item=copy%2Fdefault")),
        ok(lambda w: (f"{ZOE}/explain?item=keychain%2Fwiki&device={w.device_id}",)),
        *bad_query(f"{ZOE}/explain?item=copy%2Fdefault", device=ID),
        bad(said(f"{ZOE}/explain")), bad(said(f"{ZOE}/explain?item=.."), "item_path"),
        bad(said(f"{ZOE}/explain?item=@group%2Fsales"), "item_path"),
        bad(said(f"{A}/owners/group/sales/explain?item=copy%2Fdefault")),
        bad(said(f"{NO_KIND}/explain?item=a")), missing(said(f"{NOBODY}/explain?item=a"))],
    ("GET", f"{A}/owners/{{kind}}/{{name}}/diff"): [
        *owner_cases("/diff?from=1", limit=(*LIMIT, "1001"), values=FLAG, device=ID, to=MOMENT),
        bad(said(f"{ZOE}/diff")), bad(said(f"{ZOE}/diff?from=nonsense")),
        ok(said(f"{ZOE}/diff?from=1&values=1"))],
}


def bad_names(target):
    """Of a route that takes names of users and groups."""
    return [bad(said(target, {"users": value})) for value in
            ("zoe", 7, {"zoe": 1}, [7], [None], [["zoe"]], ["a"] * 10001)]


ROWS |= {
    ("POST", f"{A}/owners/restore"): [
        ok(lambda w: (f"{A}/owners/restore", {"users": [w.deleted()]})),
        ok(lambda w: (f"{A}/owners/restore", {"users": [w.deleted(), "nobody"],
                                              "dry_run": True})),
        *bad_json(f"{A}/owners/restore", {}, {"users": []}, {"users": ["zoe"], "at": 7},
                  {"users": ["zoe"], "at": "nonsense"}, {"users": ["zoe"], "items": "copy"},
                  {"users": ["zoe"], "dry_run": "yes"}),
        *bad_names(f"{A}/owners/restore"),
        bad(said(f"{A}/owners/restore", {"users": ["zoe"] * 101, "items": ["a"] * 100}),
            "too_large", 413),
        missing(said(f"{A}/owners/restore", {"users": ["zoe"], "at": "1970-01-02"}))],
    ("POST", f"{A}/owners/delete"): [
        ok(lambda w: (f"{A}/owners/delete", {"users": [w.written(), w.user(), "nobody"]})),
        ok(lambda w: (f"{A}/owners/delete", {"users": [w.user()], "adopt": True})),
        ok(said(f"{A}/owners/delete", {"users": ["zoe"], "groups": ["sales"], "adopt": True,
                                       "dry_run": True})),
        *bad_json(f"{A}/owners/delete", {}, {"users": []}, {"users": ["zoe"], "adopt": 1},
                  {"users": ["zoe"], "dry-run": True}, {"users": ["zoe"], "dry_run": "true"}),
        *bad_names(f"{A}/owners/delete"),
        missing(said(f"{A}/owners/delete", {"users": ["nobody"], "groups": ["nobody"]}))],
    ("POST", f"{A}/owners/import"): [
        ok(lambda w: (f"{A}/owners/import?format=ldif&colleagues", LDIF.format(w.name()))),
        ok(lambda w: (f"{A}/owners/import?format=csv&dry_run=1", f"name\n{w.name()}\n")),
        *bad_query(f"{A}/owners/import", format=("", "xml", "LDIF")),
        *bad_query(f"{A}/owners/import?format=ldif", dry_run=FLAG, colleagues=FLAG),
        bad(said(f"{A}/owners/import", LDIF.format("new")))],
    ("POST", f"{A}/owners/{{kind}}/{{name}}/address-list"): [
        ok(lambda w: (f"{A}/owners/user/{w.user()}/address-list?format=ldif",
                      LDIF.format(w.name()))),
        ok(lambda w: (f"{A}/owners/group/sales/address-list?format=ldif&dry_run",
                      LDIF.format(w.name()))),
        *bad_query(f"{ZOE}/address-list?format=ldif", dry_run=FLAG),
        bad(said(f"{ZOE}/address-list", LDIF.format("new"))),
        bad(said(f"{NO_KIND}/address-list?format=ldif", LDIF.format("new"))),
        missing(said(f"{NOBODY}/address-list?format=ldif", LDIF.format("new")))],
    ("GET", f"{A}/devices"): [
        ok(said(f"{A}/devices")), ok(said(f"{A}/devices?state=all&filter=MACHINE&limit=1")),
        *bad_query(f"{A}/devices", limit=(*LIMIT, "1001"), state=("gone", ""), cursor=ID),
        bad(said(f"{A}/devices?filter={'x' * 1000}"), "name")],
    ("GET", f"{A}/devices/{{id}}"): [
        ok(lambda w: (f"{A}/devices/{w.device_id}",)), bad(said(f"{A}/devices/1")),
        *bad_query(f"{A}/devices/{NO_ID}"), missing(said(f"{A}/devices/{NO_ID}"))],
    ("GET", f"{A}/devices/{{id}}/users"): [
        ok(lambda w: (f"{A}/devices/{w.device_id}/users?limit=1",)),
        bad(said(f"{A}/devices/1/users")),
        *bad_query(f"{A}/devices/{NO_ID}/users", limit=(*LIMIT, "1001"), cursor=("a", "", "-1")),
        missing(said(f"{A}/devices/{NO_ID}/users"))],
    ("PATCH", f"{A}/devices/{{id}}"): [
        ok(lambda w: (f"{A}/devices/{w.device_id}", {"name": w.name()})),
        ok(lambda w: (f"{A}/devices/{w.device_id}", {"name": "x", "dry_run": True})),
        ok(lambda w: (f"{A}/devices/{w.device_id}", {"keep": "groups", "mirror": True}),
           role="admin"),
        bad(said(f"{A}/devices/1", {"name": "x"})),
        *bad_json(f"{A}/devices/{NO_ID}", {}, {"name": ""}, {"name": 7}, {"name": "a\nb"},
                  {"name": "x" * 256}, {"name": "x", "dry_run": 1}),
        missing(said(f"{A}/devices/{NO_ID}", {"name": "x"})),
        conflict(lambda w: (f"{A}/devices/{removed(w)}", {"name": "x"}), 412,
                 "condition_failed")],
    ("POST", f"{A}/devices/delete"): [
        ok(lambda w: (f"{A}/devices/delete", {"ids": [w.device(), NO_ID]})),
        ok(lambda w: (f"{A}/devices/delete", {"ids": [w.device_id], "dry_run": True})),
        *bad_json(f"{A}/devices/delete", {}, {"ids": []}, {"ids": NO_ID}, {"ids": [7]},
                  {"ids": [NO_ID], "dry_run": 0}),
        missing(said(f"{A}/devices/delete", {"ids": [NO_ID, "1"]}))],
    ("POST", f"{A}/enrollments"): [
        ok(said(f"{A}/enrollments", {"count": 2, "expires_s": 60})), ok(said(f"{A}/enrollments")),
        ok(lambda w: (f"{A}/enrollments", {"replaces": w.device_id})),
        *bad_json(f"{A}/enrollments", {"count": 0}, {"count": 1001}, {"count": "1"},
                  {"count": 1.5}, {"expires_s": 0}, {"replaces": "1"}, {"replaces": 7},
                  {"replaces": NO_ID, "count": 2}),
        missing(said(f"{A}/enrollments", {"replaces": NO_ID}))],
    ("GET", f"{A}/enrollments"): [
        ok(lambda w: (w.enrollment() and f"{A}/enrollments?limit=1",)),
        *bad_query(f"{A}/enrollments", limit=(*LIMIT, "1001"), cursor=(*ID, "7-7", "-7"))],
    ("POST", f"{A}/enrollments/delete"): [
        ok(lambda w: (f"{A}/enrollments/delete", {"ids": [w.enrollment(), "nothing"]})),
        ok(lambda w: (f"{A}/enrollments/delete", {"ids": [w.enrollment()], "dry_run": True})),
        *bad_json(f"{A}/enrollments/delete", {}, {"ids": []}, {"ids": NO_ID}, {"ids": [7]},
                  {"ids": [NO_ID], "dry_run": "no"}),
        missing(said(f"{A}/enrollments/delete", {"ids": [NO_ID]}))],
    ("GET", f"{A}/sync"): [ok(said(f"{A}/sync")), *bad_query(f"{A}/sync")],
    ("PUT", f"{A}/sync"): [
        ok(said(f"{A}/sync", {"state": "stopped"})), ok(said(f"{A}/sync", {"state": "running"})),
        ok(said(f"{A}/sync", {"state": "stopped", "dry_run": True})),
        *bad_json(f"{A}/sync", {}, {"state": "Stopped"}, {"state": True}, {"state": None},
                  {"state": "stopped", "dry_run": "true"})],
    ("GET", f"{A}/journal/stat"): [ok(said(f"{A}/journal/stat")),
                                   *bad_query(f"{A}/journal/stat")],
    ("GET", f"{A}/backups"): [ok(said(f"{A}/backups")), *bad_query(f"{A}/backups")],
    ("POST", f"{A}/backups"): [
        ok(lambda world: (f"{A}/backups", {"path": backups(world), "dry_run": True})),
        missing(said(f"{A}/backups", {"path": "/nowhere/at/all", "dry_run": True})),
        conflict(lambda world: (f"{A}/backups", {"path": full_folder(world)}), 409, "exists"),
        *bad_json(f"{A}/backups", {}, {"path": 7}, {"path": "relative"}, {"path": "/a/../b"},
                  {"path": "/a", "verify": 1})],
    ("POST", f"{A}/backups/forget"): [
        ok(lambda world: (f"{A}/backups/forget", {"path": backups(world), "dry_run": True})),
        missing(said(f"{A}/backups/forget", {"path": "/nowhere"})),
        *bad_json(f"{A}/backups/forget", {}, {"path": 7}, {"path": "/a", "dry_run": 1})],
    ("GET", f"{A}/restore"): [ok(said(f"{A}/restore")), *bad_query(f"{A}/restore")],
    ("POST", f"{A}/restore/confirm"): [
        ok(said(f"{A}/restore/confirm")), ok(said(f"{A}/restore/confirm", {"dry_run": True})),
        *bad_json(f"{A}/restore/confirm", {"dry_run": 1})],
    ("POST", f"{A}/clock/confirm"): [
        ok(said(f"{A}/clock/confirm")), ok(said(f"{A}/clock/confirm", {"dry_run": True})),
        *bad_json(f"{A}/clock/confirm", {"dry_run": 1})],
    ("GET", f"{A}/categories"): [ok(said(f"{A}/categories")), *bad_query(f"{A}/categories")],
    ("GET", f"{A}/sharing"): [ok(lambda w: (w.switched() and f"{A}/sharing",)),
                              *bad_query(f"{A}/sharing")],
    ("PUT", f"{A}/sharing"): [
        ok(said(f"{A}/sharing", {"changes": {"fax/default": "device"}, "copy": True})),
        ok(said(f"{A}/sharing", {"changes": {"fax/default": "shared"}})),
        ok(said(f"{A}/sharing", {"changes": {"copy/default": "device", "fax/default": "device"},
                                 "dry_run": True})),
        *bad_json(f"{A}/sharing", {}, {"changes": {}}, {"changes": ["fax/default"]},
                  {"changes": {"fax/default": "mine"}}, {"changes": {"fax/default": None}},
                  {"changes": {"language": "device"}},
                  {"changes": {"fax/default": "device"}, "copy": "yes"},
                  {"changes": {"fax/default": "device"}, "dry_run": 1}),
        missing(said(f"{A}/sharing", {"changes": {"fax": "device"}})),
        missing(said(f"{A}/sharing", {"changes": {"": "device"}, "dry_run": True}))],
    ("POST", f"{A}/sharing/undo"): [
        ok(lambda w: (f"{A}/sharing/undo", {"seq": w.switched()})),
        ok(lambda w: (f"{A}/sharing/undo", {"seq": w.switched(), "dry_run": True})),
        *bad_json(f"{A}/sharing/undo", {}, {"seq": 7}, {"seq": ""}, {"seq": "-1"},
                  {"seq": "last"}, {"seq": "1", "dry_run": "yes"}),
        missing(said(f"{A}/sharing/undo", {"seq": "0"})),
        missing(said(f"{A}/sharing/undo", {"seq": "1"})),
        missing(said(f"{A}/sharing/undo", {"seq": "99999999"})),
        conflict(lambda w: (f"{A}/sharing/undo", {"seq": (w.switched(), w.switched())[0]}), 412,
                 "condition_failed")],
    ("GET", f"{A}/exports"): [ok(lambda w: (w.export() and f"{A}/exports",)),
                              *bad_query(f"{A}/exports")],
    ("POST", f"{A}/exports"): [
        ok(lambda w: (f"{A}/exports", w.chosen()), 201),
        ok(lambda w: (f"{A}/exports", {**w.chosen(), "items": ["personal-settings"],
                                       "password": "a password"}), 201),
        ok(lambda w: (f"{A}/exports", w.chosen() and {"all": True}), 201),
        *bad_json(f"{A}/exports", {}, {"all": False}, {"users": []}, {"users": "ann"},
                  {"users": [7]}, {"all": True, "users": ["ann"]}, {"all": True, "items": []},
                  {"all": True, "items": ["x"]}, {"all": True, "password": ""},
                  {"all": True, "password": 7}, {"all": True, "password": "x" * 1025},
                  {"all": True, "since_device": 7}, {"all": True, "since_device": "x"},
                  {"users": [f"u{i}" for i in range(501)]}),
        *[bad(said(f"{A}/exports", {"groups": [name]}), "name") for name in NO_NAMES],
        missing(said(f"{A}/exports", {"users": ["nobody"]})),
        missing(said(f"{A}/exports", {"groups": ["nobody"]})),
        missing(said(f"{A}/exports", {"all": True, "since_device": NO_ID}))],
    ("POST", f"{A}/exports/delete"): [
        ok(lambda w: (f"{A}/exports/delete", {"ids": [w.export()]})),
        ok(lambda w: (f"{A}/exports/delete", {"ids": [w.export(), NO_ID], "dry_run": True})),
        *bad_json(f"{A}/exports/delete", {}, {"ids": []}, {"ids": "x"}, {"ids": [7]},
                  {"ids": ["x"], "dry_run": "yes"}, {"ids": ["x"] * 1001}),
        missing(said(f"{A}/exports/delete", {"ids": [NO_ID]}))],
    ("GET", f"{A}/exports/{{id}}"): [
        ok(lambda w: (f"{A}/exports/{w.export()}",)), *bad_query(f"{A}/exports/{NO_ID}"),
        missing(said(f"{A}/exports/{NO_ID}"))],
    ("GET", f"{A}/exports/{{id}}/snapshot"): [
        ok(lambda w: (f"{A}/exports/{w.export()}/snapshot",)),
        *bad_query(f"{A}/exports/{NO_ID}/snapshot"),
        missing(said(f"{A}/exports/{NO_ID}/snapshot"))],
    ("POST", f"{A}/exports/{{id}}/snapshot"): [
        ok(lambda w: (f"{A}/exports/{w.export()}/snapshot", {"password": "a password"})),
        *bad_json(f"{A}/exports/{NO_ID}/snapshot", {"items": []}, {"items": ["x"]},
                  {"password": ""}),
        missing(said(f"{A}/exports/{NO_ID}/snapshot", {}))],
    ("GET", f"{A}/exports/{{id}}/address-lists"): [
        *[ok(lambda w, form=form: (f"{A}/exports/{w.export()}/address-lists?kind=personal"
                                   f"&format={form}",)) for form in ("csv", "ldif", "vcard")],
        bad(said(f"{A}/exports/{NO_ID}/address-lists")),
        *bad_query(f"{A}/exports/{NO_ID}/address-lists?kind=group", format=("", "xml", "CSV")),
        *bad_query(f"{A}/exports/{NO_ID}/address-lists", kind=("", "user", "Group")),
        missing(said(f"{A}/exports/{NO_ID}/address-lists?kind=group")),
        conflict(lambda w: (f"{A}/exports/{w.export(since_device=w.device())}/address-lists"
                            "?kind=group",), 412, "condition_failed")],
    ("GET", f"{A}/fences"): [ok(lambda w: (w.fence() and f"{A}/fences",)),
                             *bad_query(f"{A}/fences")],
    ("POST", f"{A}/fences"): [
        ok(lambda w: (f"{A}/fences", {"layer": "device", "category": f"c-{w.name()}"})),
        ok(said(f"{A}/fences", {"layer": "shared", "category": "copy", "dry_run": True,
                                "except": ["copy/default"]})),
        *bad_json(f"{A}/fences", {}, {"layer": "shared"}, {"category": "copy"},
                  {"layer": "all", "category": "copy"}, {"layer": "shared", "category": 7},
                  {"layer": "shared", "category": "copy", "except": "copy/a"},
                  {"layer": "shared", "category": "copy", "except": ["fax"]},
                  {"layer": "shared", "category": "copy", "except": ["copy/a"] * 65},
                  {"layer": "shared", "category": "copy", "dry_run": "yes"}),
        *[bad(said(f"{A}/fences", {"layer": "shared", "category": path}), "item_path")
          for path in ("", "@audit", "..", "a//b", "a\nb")],
        conflict(lambda w: (f"{A}/fences", showing_again(w.fence())), 409, "exists"),
        conflict(lambda w: (f"{A}/fences", {**showing_again(w.fence()), "dry_run": True}), 409,
                 "exists")],
    ("POST", f"{A}/fences/lift"): [
        ok(lambda w: (f"{A}/fences/lift", {"layer": "shared", "category": w.fence()})),
        ok(lambda w: (f"{A}/fences/lift", {"layer": "shared", "category": w.fence(),
                                           "dry_run": True})),
        *bad_json(f"{A}/fences/lift", {}, {"layer": "shared"}, {"layer": 1, "category": "copy"},
                  {"layer": "shared", "category": "copy", "except": []}),
        missing(said(f"{A}/fences/lift", {"layer": "shared", "category": "never"}))],
    ("GET", f"{A}/changes"): [
        ok(said(f"{A}/changes?tail=3&follow=0")), ok(said(f"{A}/changes?feed=longpoll&tail=2")),
        ok(said(f"{A}/changes?tail=3&follow=0&bag=user:zoe&values=1")),
        *bad_query(f"{A}/changes", tail=("-1", "10001", "x", ""), feed=("xml", "SSE", ""),
                   values=FLAG, follow=FLAG, wait=("31", "-1", "x"), bag=("zoe", "user", ""),
                   since=("1", "", f"{NO_HISTORY}", f"{NO_HISTORY}:", f"{NO_HISTORY}:-1",
                          f"{NO_HISTORY}:x", f"{NO_HISTORY[1:]}:1")),
        bad(said(f"{A}/changes?tail=1&since={NO_HISTORY}:1")),
        missing(said(f"{A}/changes?bag=user:nobody")),
        conflict(said(f"{A}/changes?since={NO_HISTORY}:1"), 409, "other_history"),
        conflict(lambda w: (f"{A}/changes?since={w.local('GET', '/status')['history']}:99999999",),
                 409, "diverged")],
    ("GET", f"{A}/log"): [
        ok(said(f"{A}/log?limit=5&level=info")), ok(said(f"{A}/log?format=text&search=READY")),
        ok(said(f"{A}/log?format=json&since=1")),
        *bad_query(f"{A}/log", level=("loud", "INFO", ""), since=("x", "-1", ""),
                   limit=(*LIMIT, "8193"), feed=("longpoll", ""), format=("xml", "")),
        bad(said(f"{A}/log?feed=sse&format=text"))],
    ("GET", f"{A}/openapi.json"): [ok(said(f"{A}/openapi.json")),
                                   *bad_query(f"{A}/openapi.json")],
    ("GET", "/livez"): [ok(said("/livez")), *bad_query("/livez")],
    ("GET", "/readyz"): [ok(said("/readyz")), ok(said("/readyz?verbose"), role="viewer"),
                         *bad_query("/readyz", verbose=FLAG)],
    ("GET", "/metrics"): [ok(said("/metrics")), *bad_query("/metrics")],
    # last: what was before is another history's from then on
    ("POST", f"{A}/history/fork"): [
        *bad_json(f"{A}/history/fork", {"dry_run": 1}),
        ok(said(f"{A}/history/fork", {"dry_run": True})), ok(said(f"{A}/history/fork"))],
}
