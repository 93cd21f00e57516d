// Names and paths: every one has an address of its own, and what the server would refuse is known.
import assert from "node:assert/strict";
import test from "node:test";

import {
    argumentsOf, commands, groupsOf, inParts, itemPath, layerState, namesOf, ownerPath, pathProblem,
    summed,
} from "../../../admin/console/src/owner.js";
import { command } from "../../../admin/console/src/format.js";
import { match, parse, path } from "../../../admin/console/src/router.js";

const NAMES = [
    "amara", "..", ".", "山田 太郎", "a%2Fb", "100%", "<b>x</b>", "a+b&c=d?e#f", "o'brien", "😀",
];

test("each name has an address that leads back to it", () => {
    for (const name of NAMES) {
        const { path: where } = parse(`#${path("/user-data/:kind/:name", { kind: "user", name })}`);
        assert.deepEqual(match("/user-data/:kind/:name", where), { kind: "user", name });
    }
});

test("each name has a route of its own that no browser shortens", () => {
    for (const name of NAMES) {
        const url = new URL(`/api/v1${ownerPath("user", name, "/items")}`, "https://localhost");
        const parts = url.pathname.split("/");
        assert.equal(parts.length, 7, name);
        assert.equal(decodeURIComponent(parts[5]).normalize("NFKC"), name.normalize("NFKC"));
        assert.equal(parts[6], "items");
    }
    assert.equal(itemPath("group", "g", "a/b c"), "/owners/group/g/items/a%2Fb%20c");
});

test("users and groups are named apart", () => {
    const rows = [
        { kind: "user", name: "a" }, { kind: "group", name: "g" }, { kind: "user", name: "b" },
    ];
    assert.deepEqual(namesOf(rows), { users: ["a", "b"], groups: ["g"] });
    const words = (noun, names) => [noun, "rm", ...argumentsOf(names)];
    assert.equal(commands(rows, words, command), "kitbagctl user rm a b\nkitbagctl group rm g");
    assert.equal(commands([{ kind: "user", name: "-n x" }], words, command),
        "kitbagctl user rm -- '-n x'");
});

test("long work is done in parts, and their answers are one", () => {
    assert.deepEqual(inParts([1, 2, 3], 2), [[1, 2], [3]]);
    assert.deepEqual(inParts([], 2), []);
    assert.deepEqual(summed([
        { users: 2, seq: "5", missing: ["a"], failed: [], at: null },
        { users: 1, seq: "7", missing: ["b"], failed: [], at: null },
        { users: 0, seq: null, missing: [], failed: [{ name: "c" }], at: null },
    ]), { users: 3, seq: "7", missing: ["a", "b"], failed: [{ name: "c" }], at: null });
});

test("paths that the server refuses are known before", () => {
    for (const good of ["a", "copy/default", "a/.b", "a/..b", "山", "a".repeat(255), "a@b"]) {
        assert.equal(pathProblem(good), null, good);
    }
    const bad = {
        "": "empty", "/a": "slash", "a/": "slash", "a//b": "slash", "a/../b": "dots", ".": "dots",
        "a\nb": "control", "@group/x": "reserved", [`${"山".repeat(85)}a`]: "long",
    };
    for (const [path_, why] of Object.entries(bad)) {
        assert.equal(pathProblem(path_), why, path_);
    }
});

test("groups are read out of a user's items", () => {
    const items = [
        { item: "@group/sales", value: "Sales" }, { item: "@group/x" }, { item: "copy" },
    ];
    assert.deepEqual(groupsOf(items), ["Sales", "x"]);
});

test("what becomes of what a layer holds", () => {
    assert.equal(layerState({ there: false }), "none");
    assert.equal(layerState({ there: true, counts: true, initialised: null }), "seen");
    assert.equal(layerState({ there: true, counts: false, initialised: "9" }), "initialised");
    assert.equal(layerState({ there: true, counts: false, initialised: null }), "unread");
});
