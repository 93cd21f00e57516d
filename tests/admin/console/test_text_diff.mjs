// Differences of texts: what came, what went, and that both sides can be read out of them.
import assert from "node:assert/strict";
import test from "node:test";

import { diffLines, shortened } from "../../../admin/console/src/text_diff.js";

const SIGNS = { same: " ", removed: "-", added: "+" };
const told = (before, after) =>
    diffLines(before, after).map(({ kind, text }) => SIGNS[kind] + text);

test("lines that came and went", () => {
    assert.deepEqual(told("a\nb\nc", "a\nx\nc"), [" a", "-b", "+x", " c"]);
    assert.deepEqual(told("a", "a"), [" a"]);
    assert.deepEqual(told("", "a\nb"), ["+a", "+b"]);
    assert.deepEqual(told("a\nb", ""), ["-a", "-b"]);
    assert.deepEqual(told("", ""), []);
    assert.deepEqual(told("a\nb\nc\nd", "b\nd\ne"), ["-a", " b", "-c", " d", "+e"]);
    assert.deepEqual(told("a\na\na", "a\na"), [" a", " a", "-a"]);
});

test("both texts can be read out of the difference, and it is as short as it can be", () => {
    let seed = 7;
    const random = (below) => {
        seed = (seed * 1103515245 + 12345) % 2147483648;
        return Math.floor((seed / 2147483648) * below);
    };
    for (let round = 0; round < 200; round++) {
        const text = () => Array.from({ length: random(9) + 1 }, () => "abc"[random(3)]).join("\n");
        const [before, after] = [text(), text()];
        const rows = diffLines(before, after);
        const side = (not) =>
            rows.filter((row) => row.kind !== not).map((row) => row.text).join("\n");
        assert.equal(side("added"), before);
        assert.equal(side("removed"), after);
    }
});

test("texts of thousands of other lines are told whole, at once", () => {
    const many = (word) => Array.from({ length: 3000 }, (_, i) => `${word}${i}`).join("\n");
    const rows = diffLines(many("a"), many("b"));
    assert.equal(rows.length, 6000);
    assert.equal(rows[0].kind, "removed");
    assert.equal(rows[5999].kind, "added");
});

test("equal parts far from a change are left out", () => {
    const lines = Array.from({ length: 20 }, (_, i) => `l${i}`);
    const other = lines.map((line, i) => (i === 10 ? "x" : line));
    const rows = shortened(diffLines(lines.join("\n"), other.join("\n")), 2);
    const shown = rows.map(({ kind, text, count }) =>
        (kind === "skipped" ? count : SIGNS[kind] + text));
    assert.deepEqual(shown, [8, " l8", " l9", "-l10", "+x", " l11", " l12", 7]);
});
