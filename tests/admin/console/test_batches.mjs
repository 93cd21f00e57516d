// Join tokens that are shown once: they stay until they are closed, and ask before they are lost.
import assert from "node:assert/strict";
import test, { afterEach } from "node:test";

const listeners = new Set();
let leave; // what was told last
globalThis.addEventListener = (name, listener) => {
    listeners.add(name);
    leave = listener;
};
globalThis.removeEventListener = (name) => listeners.delete(name);

const { addBatch, batches, dropBatch, saved, taken, untaken } =
    await import("../../../admin/console/src/pages/join_tokens/batches.js");
const { session } = await import("../../../admin/console/src/session.js");

const ANSWER = { tokens: ["kb1.a", "kb1.b"], ids: ["1", "2"], expires_at: "2026-11-23T02:00:00Z" };
const asks = () => listeners.has("beforeunload");

afterEach(() => {
    batches.value = [];
});

test("the newest stand first, each with its tokens", () => {
    addBatch(ANSWER);
    addBatch({ ...ANSWER, tokens: ["kb1.c"], ids: ["3"], replaces: "7" }, "lobby");
    assert.deepEqual(batches.value.map((one) => one.tokens.length), [1, 2]);
    assert.equal(batches.value[0].name, "lobby");
    assert.notEqual(batches.value[0].key, batches.value[1].key);
    dropBatch(batches.value[0]);
    assert.deepEqual(batches.value.map((one) => one.tokens.length), [2]);
});

test("leaving asks until each token was taken along", () => {
    assert.equal(asks(), false);
    addBatch(ANSWER);
    assert.equal(asks(), true);
    let stayed = false;
    leave({ preventDefault: () => (stayed = true) });
    assert.equal(stayed, true);
    taken(batches.value[0], 1);
    taken(batches.value[0], 1);
    assert.equal(asks(), true);
    assert.equal(untaken().length, 1);
    taken(batches.value[0], 0);
    assert.equal(asks(), false);
    assert.equal(untaken().length, 0);
});

test("a batch that was saved is taken along, the other one is not", () => {
    addBatch(ANSWER);
    addBatch(ANSWER);
    saved(batches.value[0]);
    assert.deepEqual(untaken(), [batches.value[1]]);
    assert.equal(asks(), true);
    dropBatch(batches.value[1]);
    assert.equal(asks(), false);
});

test("who signs out leaves none behind", () => {
    session.value = { name: "ann" };
    addBatch(ANSWER);
    session.value = null;
    assert.deepEqual(batches.value, []);
    assert.equal(asks(), false);
});
