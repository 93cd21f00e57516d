// Values as they are shown and edited: nothing of them is lost on the way.
import assert from "node:assert/strict";
import test from "node:test";

import {
    base64Of, bytesOfBase64, compactJson, editable, edited, hexDump, isJson, jsonError, prettyJson,
    preview, valueOf,
} from "../../../admin/console/src/value_view.js";

test("a row tells its value as text, bytes, nothing or a secret", () => {
    assert.deepEqual(valueOf({ value: "en", size: 2 }), { kind: "text", text: "en", size: 2 });
    assert.deepEqual(valueOf({ value: '{"a":1}', size: 7 }),
        { kind: "json", text: '{"a":1}', size: 7 });
    assert.deepEqual(valueOf({ value: "", size: 0 }), { kind: "empty", text: "", size: 0 });
    assert.deepEqual(valueOf({ value_base64: "AAE=", size: 2 }),
        { kind: "binary", base64: "AAE=", size: 2 });
    assert.deepEqual(valueOf({ masked: true, size: 7 }), { kind: "secret", size: 7 });
    assert.equal(valueOf({ item: "a" }).kind, "absent");
    assert.equal(valueOf({ value: "山" }).size, 3);
});

test("the old value of a change is one of its own", () => {
    const row = { value: "new", size: 3, old_value_base64: "/w==", old_size: 1 };
    assert.equal(valueOf(row).text, "new");
    assert.deepEqual(valueOf(row, "old_"), { kind: "binary", base64: "/w==", size: 1 });
    assert.equal(valueOf({ masked: true, size: 3 }, "old_").kind, "absent");
    assert.equal(valueOf({ masked: true, old_size: 3 }, "old_").kind, "secret");
});

test("JSON is what an object or an array is; a word is a text", () => {
    for (const text of ["{}", " [1]", '{"a":[{}]}']) {
        assert.equal(isJson(text), true, text);
    }
    for (const text of ["1", "true", '"en"', "{", "[1,]", "{x:1}", "[b]old[/b]"]) {
        assert.equal(isJson(text), false, text);
    }
});

test("pretty JSON keeps every token as it was written", () => {
    const text = '{"n":12345678901234567890.10e2,"s":"a \\" [x], {y}: \\\\",'
        + '"e":{},"l":[],"m":[1,{"a":null}]}';
    const pretty = prettyJson(text);
    assert.equal(pretty, [
        "{", '  "n": 12345678901234567890.10e2,', '  "s": "a \\" [x], {y}: \\\\",',
        '  "e": {},', '  "l": [],', '  "m": [', "    1,", "    {", '      "a": null', "    }",
        "  ]", "}"].join("\n"));
    assert.equal(compactJson(pretty), text);
    assert.equal(prettyJson(pretty), pretty);
    assert.equal(compactJson('{ "b" : 1, "a" : 2, "b" : 3 }'), '{"b":1,"a":2,"b":3}');
});

test("what was on one line stays there, what was spread stays spread", () => {
    const one = valueOf({ value: '{"a":1}' });
    assert.equal(editable(one), '{\n  "a": 1\n}');
    assert.equal(edited('{\n  "a": 2\n}', true, one), '{"a":2}');
    const spread = valueOf({ value: '{ "a": 1 }' });
    assert.equal(edited('{\n  "a": 2\n}', true, spread), '{\n  "a": 2\n}');
    assert.equal(edited('[ 1 ]', true, undefined), "[1]");
    assert.equal(edited('{ "a": 1 }', false, one), '{ "a": 1 }');
    assert.equal(editable(valueOf({ value: "a\nb" })), "a\nb");
    assert.equal(editable(valueOf({ masked: true, size: 1 })), "");
});

test("where it is no JSON is told by line and column", () => {
    assert.equal(jsonError('{"a": 1}'), null);
    const wrong = jsonError('{\n  "a": 1,\n  b\n}');
    assert.equal(wrong.line, 3);
    assert.equal(wrong.column, 3);
    assert.equal(jsonError("").line, 1);
});

test("a preview is one line, cut between characters", () => {
    assert.equal(preview("a\n\tb"), "a b");
    assert.equal(preview('{\n "a": 1 }'), '{"a":1}');
    assert.equal(preview("😀".repeat(5), 3), "😀😀😀…");
    assert.equal(preview("abc", 3), "abc");
});

test("bytes are shown sixteen a line", () => {
    const bytes = bytesOfBase64("iVBORw0KGgoAAQL//kFCQ0RF");
    assert.equal(bytes.length, 18);
    assert.equal(base64Of(bytes), "iVBORw0KGgoAAQL//kFCQ0RF");
    assert.equal(base64Of(new Uint8Array(10000)), "A".repeat(13334) + "==");
    assert.deepEqual(hexDump(bytes).split("\n"), [
        "000000  89 50 4e 47 0d 0a 1a 0a 00 01 02 ff fe 41 42 43  .PNG.........ABC",
        `000010  44 45${" ".repeat(42)}  DE`]);
    assert.equal(hexDump(bytes, 16).split("\n").length, 1);
});
