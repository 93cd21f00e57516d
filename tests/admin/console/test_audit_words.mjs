// Events of the audit: each action of the server has words, and what it names leads somewhere.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { catalogue } from "../../../admin/console/build.mjs";
import {
    ACTIONS, actionWord, details, isKnown, subjects, undoPlace, unnamed,
} from "../../../admin/console/src/audit_words.js";

const texts = catalogue("en", "pages");
const known = Object.values(ACTIONS).flat();
const event = (action, about) => ({ action, about });

test("each action that the server's routes have is known here", () => {
    const table = readFileSync(new URL("../../../admin/api/api.c", import.meta.url), "utf8");
    const actions = [...table.matchAll(/ADMIN_ROLE_\w+,\s*"([a-z.-]+)"/g)].map((found) => found[1]);
    assert.ok(actions.length > 15);
    assert.deepEqual(actions.filter((action) => !isKnown(action)), []);
});

test("each action has words, and a place among the choices", () => {
    for (const [group, actions] of Object.entries(ACTIONS)) {
        assert.ok(texts[`audit.group_${group.replace("-", "_")}`], group);
        for (const action of actions) {
            assert.ok(action.startsWith(`${group}.`), action);
            assert.ok(texts[`audit.did_${actionWord(event(action))}`], action);
            if (actions.length > 1) {
                assert.ok(texts[`audit.name_${action.replace(/[.-]/g, "_")}`], action);
            }
        }
    }
});

test("what can be undone is told in words too", () => {
    for (const action of known.filter((one) => undoPlace(event(one, {})) !== null)) {
        const word = action === "sync.change" ? "sync_running" : actionWord(event(action));
        assert.ok(texts[`audit.undo_${word}`], action);
    }
    assert.equal(undoPlace(event("session.begin", {})), null);
});

test("a change of the synchronization is a start or a stop", () => {
    assert.equal(actionWord(event("sync.change", { state: "stopped" })), "sync_stopped");
    assert.equal(actionWord(event("sync.change", {})), "sync_change");
    assert.equal(actionWord(event("device.token-delete", {})), "device_token_delete");
});

test("who and what an event names, with the way there", () => {
    const deleted = event("owner.delete", { users: ["a/b"], groups: ["g"], count: 5 });
    assert.deepEqual(subjects(deleted).map(({ kind, path }) => [kind, path]),
        [["user", "/user-data/user/a%2Fb"], ["group", "/user-data/group/g"]]);
    assert.equal(unnamed(deleted), 3);
    assert.deepEqual(undoPlace(deleted), { path: "/user-data", query: { tab: "deleted" } });
    const set = event("item.set", { target: ["user", "greta", "copy/default"] });
    assert.deepEqual(undoPlace(set), {
        path: "/user-data/user/greta", query: { tab: "history", item: "copy/default" },
    });
    const machine = event("device.change", { device: "94c21cd157dfc2f6", name: "lobby" });
    assert.equal(subjects(machine)[0].path, "/devices/94c21cd157dfc2f6");
    const account = event("account.delete", { accounts: ["ann", "bob"] });
    assert.deepEqual(subjects(account).map((one) => one.name), ["ann", "bob"]);
});

test("what the words tell already is not told again, and what is empty not at all", () => {
    assert.deepEqual(details(event("account.change",
        { account: "ann", password: false, unlock: true, role: "viewer" })),
    [["unlock", true], ["role", "viewer"]]);
    assert.deepEqual(details(event("sync.change", { state: "running" })), []);
    assert.deepEqual(details(event("device.admit", { count: 2, replaces: null })), [["count", 2]]);
    assert.deepEqual(details(event("owner.restore",
        { users: ["a"], groups: [], count: 1, items: [], at: null })), []);
});

test("an event of another version is shown as it is", () => {
    assert.deepEqual(subjects({ action: "later.thing" }), []);
    assert.deepEqual(details(event("later.thing", { how: "so" })), [["how", "so"]]);
    assert.equal(undoPlace({ action: "later.thing" }), null);
    assert.deepEqual(subjects(event("owner.delete", { users: "no list", devices: [1] })), []);
    assert.equal(isKnown(undefined), false);
});

test("a change of what is shared tells which categories became what", () => {
    const change = event("sharing.change", { changes: { "copy/default": "device", pins: "shared" },
        copy: false });
    assert.deepEqual(details(change), [["changes", ["copy/default=device", "pins=shared"]]]);
    assert.deepEqual(undoPlace(change), { path: "/sharing" });
    assert.deepEqual(details(event("sharing.undo", { undone: "41" })), [["undone", "41"]]);
});
