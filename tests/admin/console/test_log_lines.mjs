// Lines of the log: their pairs, the machines in them, what needs a look.
import assert from "node:assert/strict";
import test from "node:test";

import {
    countTrouble, deviceOf, LEVEL_KINDS, LEVELS, piecesOf,
} from "../../../admin/console/src/log_lines.js";

const joined = (pieces) => pieces.map((piece) => (piece.key === undefined ? piece.text
    : `${piece.key}=${piece.value}`)).join("");

test("pairs are found, also quoted ones, and nothing is lost", () => {
    const line = "device=3f00000000000001 peer=192.0.2.7:50412 code=timed_out " +
        'text="nothing \\"was\\" heard a=b" held_back=0';
    const pieces = piecesOf(line);
    assert.equal(joined(pieces), line);
    assert.deepEqual(pieces.filter((piece) => piece.key).map((piece) => piece.key),
        ["device", "peer", "code", "text", "held_back"]);
    assert.equal(pieces.find((piece) => piece.key === "text").value,
        '"nothing \\"was\\" heard a=b"');
});

test("any other text stays as it is", () => {
    for (const line of ["", "ready", "actor=", "a quote \" and <b>=<i>", "x=\"never ends"]) {
        assert.equal(joined(piecesOf(line)), line);
    }
});

test("only a machine's ID is a machine", () => {
    assert.equal(deviceOf({ key: "device", value: "3f00000000000001" }), "3f00000000000001");
    assert.equal(deviceOf({ key: "device", value: "../../x" }), null);
    assert.equal(deviceOf({ key: "peer", value: "3f00000000000001" }), null);
});

test("warnings and errors are counted, each level has a look of its own", () => {
    const rows = ["error", "info", "warning", "error"].map((level) => ({ level }));
    assert.deepEqual(countTrouble(rows), { errors: 2, warnings: 1 });
    assert.equal(new Set(LEVELS.map((level) => LEVEL_KINDS[level])).size, LEVELS.length);
});
