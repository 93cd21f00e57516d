// The last hour in numbers: what the server kept, and what came live behind it.
import assert from "node:assert/strict";
import test from "node:test";

import { append, columnsOf, sampleOf } from "../../../admin/console/src/samples.js";

const EVERY = 5000;
const at = (time, writes = 1) => ({ time, writes, connected: 3, lag: 0, journal_bytes: 10 });

test("samples become columns", () => {
    const columns = columnsOf({
        every_ms: EVERY,
        samples: [{
            time: "2026-05-01T12:00:00Z", writes: 2, connected: 3, lag: 4, journal_bytes: 5,
        }],
    });
    assert.deepEqual(columns, {
        every_ms: EVERY, times: [Date.parse("2026-05-01T12:00:00Z")], writes: [2], connected: [3],
        lag: [4], journal_bytes: [5],
    });
});

test("a status document is a sample", () => {
    const status = {
        rate: { writes: 7 }, counts: { connected: 2 }, lag: { most: 1 }, journal: { bytes: 9 },
    };
    assert.deepEqual(sampleOf(status, 5),
        { time: 5, writes: 7, connected: 2, lag: 1, journal_bytes: 9 });
});

test("one a step, however often the status comes", () => {
    let columns = columnsOf({ every_ms: EVERY, samples: [] });
    for (let second = 1000; second <= 60000; second += 1000) {
        columns = append(columns, at(second));
    }
    assert.equal(columns.times.length, 12);
    assert.deepEqual(columns.times.slice(0, 3), [5000, 10000, 15000]);
});

test("a pause is a gap", () => {
    let columns = append(columnsOf({ every_ms: EVERY, samples: [] }), at(10000, 4));
    columns = append(columns, at(100000, 6));
    assert.deepEqual(columns.times, [10000, 15000, 100000]);
    assert.deepEqual(columns.writes, [4, null, 6]);
});

test("what is older than an hour goes", () => {
    let columns = columnsOf({ every_ms: EVERY, samples: [] });
    for (let time = EVERY; time <= 4000000; time += EVERY) {
        columns = append(columns, at(time));
    }
    assert.equal(columns.times.length, 720);
    assert.equal(columns.writes.length, 720);
    assert.equal(columns.times[0], 4000000 - 719 * EVERY);
});
