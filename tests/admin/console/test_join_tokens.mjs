// Join tokens: how many, the commands, the file, which of them were taken along.
import assert from "node:assert/strict";
import test from "node:test";

import {
    countOf, EXPIRIES, fileName, fileText, isTaken, joinCommand, makeWords,
} from "../../../admin/console/src/join_tokens.js";

test("a count is a number from 1 to 1000", () => {
    assert.equal(countOf("1"), 1);
    assert.equal(countOf(" 1000 "), 1000);
    for (const text of ["", "0", "1001", "-1", "1.5", "1e2", "one", "0x1", "10000"]) {
        assert.ok(Number.isNaN(countOf(text)), text);
    }
});

test("the commands of the machine and of kitbagctl", () => {
    assert.equal(joinCommand("kb1.x"), "kitbag join kb1.x");
    assert.deepEqual(makeWords({ count: 1, seconds: 3600 }),
        ["device", "token", "--expires", "1h"]);
    assert.deepEqual(makeWords({ count: 20, seconds: 7 * 86400 }),
        ["device", "token", "--count", 20, "--expires", "7d"]);
    assert.deepEqual(makeWords({ count: 1, seconds: 86400, replaces: "00000000000000aa" }),
        ["device", "token", "--expires", "1d", "--replaces", "00000000000000aa"]);
    for (const [seconds, time] of EXPIRIES) {
        const unit = { h: 3600, d: 86400 }[time.at(-1)];
        assert.equal(parseInt(time, 10) * unit, seconds, time);
    }
});

test("a file has a token a line, and remarks before them", () => {
    assert.equal(fileText({ tokens: ["a", "b"] }, ["one", "two"]), "# one\n# two\na\nb\n");
    assert.equal(fileName(Date.parse("2026-11-23T01:20:43.000Z")),
        "kitbag-tokens-20261123-0120.txt");
});

test("a batch is taken along when it was saved, or each was copied", () => {
    const batch = { tokens: ["a", "b"], taken: [], saved: false };
    assert.equal(isTaken(batch), false);
    assert.equal(isTaken({ ...batch, taken: [1] }), false);
    assert.equal(isTaken({ ...batch, taken: [1, 0] }), true);
    assert.equal(isTaken({ ...batch, saved: true }), true);
});
