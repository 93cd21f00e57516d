// Lists that grow: the newest first, never more than there is room for.
import assert from "node:assert/strict";
import test from "node:test";

import { isToday, withNewer, withOlder } from "../../../admin/console/src/live_rows.js";

test("what came stands before the rest, the last first", () => {
    assert.deepEqual(withNewer([3, 2, 1], [4, 5], 10), { rows: [5, 4, 3, 2, 1], left: 0 });
    assert.deepEqual(withNewer([], [1], 10), { rows: [1], left: 0 });
});

test("the oldest go when there is no room", () => {
    assert.deepEqual(withNewer([3, 2, 1], [4, 5], 3), { rows: [5, 4, 3], left: 2 });
    assert.deepEqual(withNewer([1], [2, 3, 4, 5, 6], 3), { rows: [6, 5, 4], left: 3 });
});

test("older ones go behind, those that are there already do not", () => {
    const isOlder = (row, last) => row < last;
    assert.deepEqual(withOlder([9, 8], [5, 6, 7, 8, 9, 10], isOlder), [9, 8, 7, 6, 5]);
    assert.deepEqual(withOlder([], [1, 2], isOlder), [2, 1]);
    assert.deepEqual(withOlder([2], [2, 3], isOlder), [2]);
});

test("a day ends at midnight where the reader is", () => {
    const noon = new Date(2026, 10, 23, 12).getTime();
    assert.ok(isToday(new Date(2026, 10, 23, 0, 0, 1), noon));
    assert.ok(!isToday(new Date(2026, 10, 22, 23, 59), noon));
});
