/* Tests of src/sharing.js: what was chosen, and what a preview says of it. */
import assert from "node:assert/strict";
import test from "node:test";

import { categoryTitle, changesOf, effects, mayCopy, setWords } from
    "../../../admin/console/src/sharing.js";

const ROWS = [
    { path: "copy/default", sharing: "shared", titles: { en: "Copying", ja: "コピー" } },
    { path: "home/timeline", sharing: "device", titles: { en: "Timeline" } },
    { path: "pins", sharing: "shared" },
];

test("a category bears the title of the reader's language, else another name", () => {
    assert.equal(categoryTitle(ROWS[0], "ja"), "コピー");
    assert.equal(categoryTitle(ROWS[1], "ja"), "Timeline");
    assert.equal(categoryTitle(ROWS[2], "en"), "pins");
});

test("what was chosen and is so already is no change", () => {
    assert.deepEqual(changesOf(ROWS, {}), {});
    assert.deepEqual(changesOf(ROWS, { "copy/default": "shared", "home/timeline": "device" }), {});
    assert.deepEqual(changesOf(ROWS, { "home/timeline": "shared", pins: "device" }),
        { "home/timeline": "shared", pins: "device" });
    assert.deepEqual(changesOf(ROWS, { gone: "device" }), {});
});

test("the same for the shell", () => {
    assert.deepEqual(setWords({ pins: "device", "home/timeline": "shared" }, false),
        ["sharing", "set", "pins=device", "home/timeline=shared"]);
    assert.deepEqual(setWords({ pins: "device" }, true),
        ["sharing", "set", "pins=device", "--copy"]);
});

test("only what becomes device-specific can be copied", () => {
    assert.equal(mayCopy({ pins: "device", "home/timeline": "shared" }), true);
    assert.equal(mayCopy({ "home/timeline": "shared" }), false);
});

test("what happens to a category", () => {
    const row = { was: "shared", sharing: "shared", initialised: [], lifted: [] };
    assert.deepEqual(effects({ ...row, sharing: "device", initialised: ["shared"] }, false),
        ["to_device", "initialised"]);
    assert.deepEqual(effects({ ...row, sharing: "device" }, true), ["to_device", "copied"]);
    assert.deepEqual(effects({ ...row, was: "device", lifted: ["shared"] }, true),
        ["to_shared", "lifted"]);
    assert.deepEqual(effects({ ...row, initialised: ["shared", "device"] }, true),
        ["initialised"]);
});
