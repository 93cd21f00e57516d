// Made-up passwords: long, without letters that are mistaken for others, none likelier than others.
import assert from "node:assert/strict";
import test from "node:test";

import { madeUpPassword } from "../../../admin/console/src/made_up.js";

test("four groups of five letters that can be read aloud", () => {
    for (let i = 0; i < 200; i++) {
        assert.match(madeUpPassword(), /^[2-9a-hjkmnp-z]{5}(-[2-9a-hjkmnp-z]{5}){3}$/);
    }
    assert.notEqual(madeUpPassword(), madeUpPassword());
});

test("each letter stands for as many bytes, the rest are thrown away", () => {
    const counts = new Map();
    for (let byte = 0; byte < 248; byte++) {
        const [letter] = madeUpPassword(() => Uint8Array.of(byte));
        counts.set(letter, (counts.get(letter) ?? 0) + 1);
    }
    assert.equal(counts.size, 31);
    assert.deepEqual([...new Set(counts.values())], [8]);
    for (let byte = 248; byte < 256; byte++) {
        assert.equal(madeUpPassword(() => Uint8Array.of(byte, 0)),
            madeUpPassword(() => Uint8Array.of(0)));
    }
});

test("it waits for enough good bytes", () => {
    let calls = 0;
    const mostlyBad = () => {
        calls++;
        return Uint8Array.of(255, 254, calls % 31);
    };
    assert.equal(madeUpPassword(mostlyBad).length, 23);
    assert.equal(calls, 20);
});
