// The numbers, sizes and times of the console, in both languages.
import assert from "node:assert/strict";
import test from "node:test";

import * as format from "../../../admin/console/src/format.js";

test("numbers are grouped, and nothing is a dash", () => {
    assert.equal(format.number(1234567, "en"), "1,234,567");
    assert.equal(format.number(null, "en"), "–");
    assert.equal(format.number(0, "ja"), "0");
});

test("a seq larger than a double keeps its digits", () => {
    assert.equal(format.seq("18446744073709551615", "en"), "18,446,744,073,709,551,615");
    assert.equal(format.seq(undefined, "en"), "–");
    assert.equal(format.seq("12x", "en"), "–");
    assert.equal(format.seqDistance("9007199254740993", "9007199254740995"), 2);
});

test("sizes change their unit at 1024, without 1024.0 of the smaller one", () => {
    assert.equal(format.bytes(0, "en"), "0 B");
    assert.equal(format.bytes(1023, "en"), "1,023 B");
    assert.equal(format.bytes(1024, "en"), "1.0 KiB");
    assert.equal(format.bytes(1536, "en"), "1.5 KiB");
    assert.equal(format.bytes(1024 * 1024 - 1, "en"), "1.0 MiB");
    assert.equal(format.bytes(5 * 1024 ** 4, "ja"), "5.0 TiB");
    assert.equal(format.bytes(5000 * 1024 ** 4, "en"), "5,000 TiB");
});

test("a duration has two units at most", () => {
    assert.equal(format.duration(0, "en"), "0 seconds");
    assert.equal(format.duration(61000, "en"), "1 minute 1 second");
    assert.equal(format.duration(3600000, "en"), "1 hour");
    assert.equal(format.duration(2 * 86400000 + 3 * 3600000 + 59000, "en"), "2 days 3 hours");
    assert.equal(format.duration(61000, "ja"), "1 分 1 秒");
});

test("relative times round down and know the future", () => {
    const now = Date.parse("2026-05-01T12:00:00Z");
    assert.equal(format.relative(now - 4999, now, "en"), "now");
    assert.equal(format.relative(now - 59999, now, "en"), "59 seconds ago");
    assert.equal(format.relative("2026-05-01T11:00:01Z", now, "en"), "59 minutes ago");
    assert.equal(format.relative(now + 7200000, now, "en"), "in 2 hours");
    assert.equal(format.relative(now - 3 * 3600000, now, "ja"), "3 時間前");
});

test("percent and compact", () => {
    assert.equal(format.percent(0.805, "en"), "80.5%");
    assert.equal(format.compact(0.25, "en"), "0.3");
    assert.equal(format.compact(1234.5, "en"), "1,235");
    assert.equal(format.compact(45000, "en"), "45K");
});

test("words of a command are quoted when a shell would take them apart", () => {
    assert.equal(format.command("kitbagctl", "user", "rm", "amara"), "kitbagctl user rm amara");
    assert.equal(format.command("user", "rm", "it's me", null, ["--adopt"]),
        "user rm 'it'\\''s me' --adopt");
    assert.equal(format.shellWord(""), "''");
    assert.equal(format.shellWord("$(rm)"), "'$(rm)'");
    assert.equal(format.shellWord("山田"), "'山田'");
});
