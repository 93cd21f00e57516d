// What holds the journal: every sentence of the server has words in both languages.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import test from "node:test";

import { catalogue } from "../../../admin/console/build.mjs";
import { setTexts } from "../../../admin/console/src/i18n.js";
import { retentionWords } from "../../../admin/console/src/retention_words.js";

const texts = catalogue("en", "pages");
setTexts("en", texts);

const CLOCK = "the clock stepped by more than an hour: nothing goes by age until it has run " +
    "for a day, or an administrator confirmed that it is right";

test("the server's sentences are known", () => {
    const known = [
        ["the oldest segment is of the last 90 days (journal.keep)", ["age", { time: "90 days" }]],
        ["the state is on disk up to seq 4711 only", ["flush", { seq: "4711" }]],
        ["an undo within 36 hours needs the rest (undo.keep)",
            ["undo", { time: "1 day 12 hours" }]],
        ["only the newest segment is left", ["newest", {}]],
        ["no active device waits for an older deletion", ["no_device", {}]],
        ["what was deleted within 7 days can be undone (undo.keep)",
            ["deleted", { time: "7 days" }]],
        [CLOCK, ["clock", {}]],
        ["device 3f00000000000001 has not come further; it is waited for as long as a deletion " +
            "is younger than 90 days (tombstones.keep)",
        ["device", { device: "3f00000000000001", time: "90 days" }]],
        [`device 3f00000000000001 has not come further; ${CLOCK}`,
            ["device_clock", { device: "3f00000000000001" }]],
    ];
    for (const [sentence, words] of known) {
        assert.deepEqual(retentionWords(sentence), [words], sentence);
        assert.ok(texts[`journal.why_${words[0]}`], words[0]);
    }
});

test("a sentence may have two parts", () => {
    assert.deepEqual(retentionWords("there is little room on the disk, so what can go went: only " +
        "the newest segment is left"), [["low", {}], ["newest", {}]]);
    assert.ok(texts["journal.why_low"]);
});

test("another sentence is shown as it is", () => {
    assert.equal(retentionWords("the moon is full"), null);
    assert.equal(retentionWords("only the newest segment is left today"), null);
    assert.equal(retentionWords(""), null);
});

// If a sentence changes in the server, this says where to change it here.
test("the server still says them", () => {
    const source = readFileSync(new URL("../../../server/retention.c", import.meta.url), "utf8")
        .replace(/"\s*\n\s*"/g, "");
    for (const piece of ["there is little room on the disk, so what can go went: ",
        "the oldest segment is of the last %s (journal.keep)", "only the newest segment is left",
        "an undo within %s needs the rest (undo.keep)", CLOCK,
        "no active device waits for an older deletion",
        "device %s has not come further; it is waited for as long as a deletion is younger than %s",
        "what was deleted within %s can be undone (undo.keep)"]) {
        assert.ok(source.includes(piece), piece);
    }
});
