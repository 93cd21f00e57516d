// Moments: what a field of a form holds and what the API takes are the same.
import assert from "node:assert/strict";
import test from "node:test";

import { fromField, isMoment, isSeq, toField } from "../../../admin/console/src/moments.js";

test("a field's time and the API's lead to one another", () => {
    const at = "2026-11-22T17:51:37.000Z";
    assert.equal(fromField(toField(at)), at);
    assert.match(toField(at), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/);
    assert.equal(fromField("2026-11-22T17:51"), new Date(2026, 10, 22, 17, 51).toISOString());
    assert.equal(fromField(""), "");
    assert.equal(fromField("yesterday"), "");
});

test("a seq is a number from 1 on, a moment that or a time", () => {
    for (const good of ["1", "4711", "9223372036854775807"]) {
        assert.ok(isSeq(good) && isMoment(good));
    }
    for (const bad of ["0", "01", "-1", "1.5", "", "12345678901234567890", "now"]) {
        assert.ok(!isSeq(bad) && !isMoment(bad), bad);
    }
    assert.ok(isMoment("2026-11-22T17:51:37.000Z"));
});
