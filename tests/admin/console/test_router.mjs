// Addresses of pages: what is put in comes out again.
import assert from "node:assert/strict";
import test from "node:test";

import { href, match, parse, path } from "../../../admin/console/src/router.js";

test("a hash is a path and a query", () => {
    assert.deepEqual(parse("#/devices?filter=a%20b&state=all"),
        { path: "/devices", query: { filter: "a b", state: "all" } });
    assert.deepEqual(parse(""), { path: "/", query: {} });
    assert.deepEqual(parse("#"), { path: "/", query: {} });
});

test("a pattern's parts are decoded", () => {
    assert.deepEqual(match("/devices/:id", "/devices/7"), { id: "7" });
    assert.equal(match("/devices/:id", "/devices"), null);
    assert.equal(match("/devices/:id", "/devices/7/x"), null);
    assert.equal(match("/devices", "/log"), null);
    assert.deepEqual(match("/a/:b", "/a/%"), { b: "%" });
});

test("any name makes the way there and back", () => {
    const names = ["amara", "a/b", "a?b#c", "100%", "山田 太郎", "<script>", "..", "a+b&c=d"];
    for (const name of names) {
        const to = href(path("/user-data/:kind/:name", { kind: "user", name }), { search: name });
        const { path: there, query } = parse(to);
        assert.deepEqual(match("/user-data/:kind/:name", there), { kind: "user", name });
        assert.equal(query.search, name);
    }
});

test("empty values are left out of an address", () => {
    assert.equal(href("/log", { level: "", search: undefined, page: null }), "#/log");
    assert.equal(href("/log", { level: "warning", since: 0 }), "#/log?level=warning&since=0");
});
