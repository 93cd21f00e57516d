/* Tests of src/exports.js: how long it is there, what is over the limits, where the files are. */
import assert from "node:assert/strict";
import { test } from "node:test";

import {
    chosen, countdown, getCommand, leftMs, listAddress, listCommand, pick, prepareCommand,
    snapshotAddress,
} from "../../../admin/console/src/exports.js";

test("what is left goes down to nothing", () => {
    assert.equal(leftMs(900000, 1000, 1000), 900000);
    assert.equal(leftMs(900000, 1000, 61000), 840000);
    assert.equal(leftMs(900000, 1000, 2000000), 0);
    assert.equal(leftMs(900000, 5000, 1000), 900000); /* a clock that was put back */
});

test("it is told as a clock", () => {
    assert.equal(countdown(900000), "15:00");
    assert.equal(countdown(899001), "15:00");
    assert.equal(countdown(899000), "14:59");
    assert.equal(countdown(9000), "0:09");
    assert.equal(countdown(1), "0:01");
    assert.equal(countdown(0), "0:00");
    assert.equal(countdown(3725000), "1:02:05");
});

test("who is chosen is counted against the limits", () => {
    const limits = { users: 2, groups: 1 };
    const user = (name) => ({ kind: "user", name });
    const group = (name) => ({ kind: "group", name });
    assert.deepEqual(chosen([user("a"), group("g")], limits), { users: 1, groups: 1, over: "" });
    assert.equal(chosen([user("a"), user("b"), user("c")], limits).over, "users");
    assert.equal(chosen([group("a"), group("b")], limits).over, "groups");
});

test("the newest is taken, or the one that was asked for", () => {
    const all = [{ id: "a" }, { id: "b" }];
    assert.equal(pick(all, "").id, "b");
    assert.equal(pick(all, "a").id, "a");
    assert.equal(pick(all, "gone"), undefined);
    assert.equal(pick([], ""), undefined);
});

test("addresses and commands hold what was typed", () => {
    assert.equal(snapshotAddress("a/b"), "/api/v1/exports/a%2Fb/snapshot");
    assert.equal(listAddress("a", "group", "ldif"),
        "/api/v1/exports/a/address-lists?kind=group&format=ldif");
    assert.equal(prepareCommand([{ kind: "user", name: "a b" }, { kind: "group", name: "g" }]),
        "kitbagctl export prepare --user 'a b' --group g");
    assert.equal(prepareCommand([], true), "kitbagctl export prepare --all");
    assert.equal(getCommand("a1"), "kitbagctl export get a1 people.kitbag");
    assert.equal(listCommand("a1", "personal", "vcard"),
        "kitbagctl export address-list a1 personal personal.vcf");
});
