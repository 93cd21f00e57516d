// Server-sent events, cut anywhere.
import assert from "node:assert/strict";
import test from "node:test";

import { EventParser } from "../../../admin/console/src/event_parser.js";

const TEXT = ": hello\n\nevent: status\nid: 7\ndata: {\"a\":1}\n\ndata: one\ndata:two\n\n" +
    "event: nothing\n\nid: 8\r\ndata: \r\n\r\ndata: not ended";
const EVENTS = [
    { id: "7", name: "status", data: '{"a":1}' },
    { id: "7", name: "message", data: "one\ntwo" },
    { id: "8", name: "message", data: "" },
];

test("whole", () => {
    assert.deepEqual(new EventParser().push(TEXT), EVENTS);
});

test("cut at every place, and letter by letter", () => {
    for (let at = 0; at <= TEXT.length; at++) {
        const parser = new EventParser();
        const events = [...parser.push(TEXT.slice(0, at)), ...parser.push(TEXT.slice(at))];
        assert.deepEqual(events, EVENTS, `cut at ${at}`);
    }
    const parser = new EventParser();
    assert.deepEqual([...TEXT].flatMap((letter) => parser.push(letter)), EVENTS);
});
