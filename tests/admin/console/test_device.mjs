// Machines: the state of one in a word, their order, the command for a list.
import assert from "node:assert/strict";
import test from "node:test";

import {
    DEVICE_KINDS, deviceName, deviceState, listWords, nameProblem, sorted, UNREACHABLE_MS,
    waitsForRight,
} from "../../../admin/console/src/device.js";

const NOW = Date.parse("2026-11-23T01:00:00.000Z");
const seen = (ago) => new Date(NOW - ago).toISOString();
const machine = (members) => ({
    id: "1", name: "lobby", state: "active", connected: false, last_seen: seen(1000), lag: 0,
    users: 0, refused: null, ...members,
});

test("the state of a machine", () => {
    const rows = [
        [{ connected: true }, "connected"],
        [{ connected: true, last_seen: null }, "connected"],
        [{}, "away"],
        [{ last_seen: seen(UNREACHABLE_MS) }, "away"],
        [{ last_seen: seen(UNREACHABLE_MS + 1) }, "unreachable"],
        [{ last_seen: null }, "unheard"],
        [{ state: "diverged" }, "diverged"],
        [{ state: "removed", last_seen: null }, "removed"],
    ];
    for (const [members, state] of rows) {
        assert.equal(deviceState(machine(members), NOW), state, JSON.stringify(members));
        assert.ok(state in DEVICE_KINDS);
    }
});

test("one that is served may wait for a right", () => {
    assert.equal(waitsForRight(machine({ connected: true, refused: "not_allowed" })), true);
    assert.equal(waitsForRight(machine({ connected: true })), false);
    assert.equal(waitsForRight(machine({ state: "diverged", refused: "diverged" })), false);
});

test("a machine without a name is called by its ID", () => {
    assert.equal(deviceName({ id: "7", name: "" }), "7");
    assert.equal(deviceName({ id: "7", name: "attic" }), "attic");
});

test("what can't be a name", () => {
    const rows = [["", "empty"], ["a", null], ["<b>", null], ["a\nb", "control"],
        ["\u007f", "control"], ["a".repeat(255), null], ["a".repeat(256), "long"],
        ["課".repeat(85), null], ["課".repeat(86), "long"]];
    for (const [name, problem] of rows) {
        assert.equal(nameProblem(name), problem, name);
    }
});

const ids = (rows) => rows.map((row) => row.id).join("");

test("names are in the order of the language, numbers in them as numbers", () => {
    const rows = [machine({ id: "1", name: "copier 10" }), machine({ id: "2", name: "Copier 9" }),
        machine({ id: "3", name: "attic" }), machine({ id: "4", name: "" })];
    assert.equal(ids(sorted(rows, "name", "en")), "4321");
    assert.equal(ids(rows), "1234", "the list itself stays");
    assert.equal(ids(sorted(rows, "nonsense", "en")), "4321");
});

test("what needs a look comes first, and those that are alike do not move", () => {
    const rows = [
        machine({ id: "1", name: "a", lag: 0, users: 5, last_seen: null }),
        machine({ id: "2", name: "c", lag: 7, users: 5, last_seen: seen(5000) }),
        machine({ id: "3", name: "b", lag: null, users: 9, last_seen: seen(1000) }),
        machine({ id: "5", name: "b", lag: null, users: 9, last_seen: seen(1000) }),
        machine({ id: "4", name: "b", lag: null, users: 9, last_seen: seen(1000) }),
    ];
    assert.equal(ids(sorted(rows, "lag", "en")), "21345");
    assert.equal(ids(sorted(rows, "users", "en")), "34512");
    assert.equal(ids(sorted(rows, "seen", "en")), "34521");
    assert.equal(ids(sorted([...rows].reverse(), "seen", "en")), "34521");
});

test("the command shows what the list shows", () => {
    assert.deepEqual(listWords("", ""), ["device", "ls"]);
    assert.deepEqual(listWords("lobby", "away"), ["device", "ls", "--state", "away", "lobby"]);
    assert.deepEqual(listWords("-x", ""), ["device", "ls", "--", "-x"]);
});
