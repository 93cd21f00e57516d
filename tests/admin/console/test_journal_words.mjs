// The journal's changes: in words, where they lead, and from where a list of them goes on.
import assert from "node:assert/strict";
import test from "node:test";

import { catalogue } from "../../../admin/console/build.mjs";
import {
    bagOf, bagPlace, bagText, before, CATCH_UP_MAX, changePlace, goOn, seqOfPlace, wordsOf,
} from "../../../admin/console/src/journal_words.js";

const HISTORY = "48da2b534b7fe6a5a6e58a577ffa20b2";
const item = (bag, path, kind = "item.set") => ({ kind, bag, bag_id: "7", item: path });

test("a bag has a kind and a name, which may hold anything", () => {
    assert.deepEqual(bagOf("user:amara"), { kind: "user", name: "amara" });
    assert.deepEqual(bagOf("group:a:b"), { kind: "group", name: "a:b" });
    assert.deepEqual(bagOf("fleet"), { kind: "fleet", name: "" });
    assert.deepEqual(bagOf(""), { kind: "unknown", name: "" });
    assert.deepEqual(bagOf(undefined), { kind: "unknown", name: "" });
});

test("a change is a word and what stands in it", () => {
    const said = [
        [item("user:ann", "copy/default"), "set_item", "copy/default"],
        [item("user:ann", "copy/default", "item.remove"), "remove_item", "copy/default"],
        [item("server", "@audit"), "set_audit", ""],
        [item("server", "@account/hana"), "set_account", "hana"],
        [item("server", "@account/hana", "item.remove"), "remove_account", "hana"],
        [item("server", "token/753e07"), "set_join_token", ""],
        [item("device:37a40dfef83d0f66", "@user/15", "item.remove"), "remove_sign_in", ""],
        [item("user:ann", "@group/sales"), "set_member", "sales"],
        [item("user:ann", "@audit"), "set_item", "@audit"], // only the server's is the audit
        [{ kind: "bag.create", bag: "user:ann" }, "create_user", ""],
        [{ kind: "bag.delete", bag: "" }, "delete_unknown", ""],
        [{ kind: "op.void", code: "quota" }, "refused", "quota"],
        [{ kind: "history" }, "history", "history"],
        [{ kind: "later.kind", bag: "fleet" }, "other", "later.kind"],
    ];
    for (const [row, word, name] of said) {
        const words = wordsOf(row);
        assert.deepEqual([words.word, words.name], [word, name]);
    }
});

test("there is a text for each of these words", () => {
    const texts = catalogue("en", "pages");
    const kinds = ["user", "group", "device", "fleet", "server", "unknown"];
    const own = ["item", "audit", "sync", "account", "api_token", "machine", "join_token", "adopt",
        "sign_in", "member", "fence"];
    const words = [...kinds.flatMap((kind) => [`create_${kind}`, `delete_${kind}`]),
        ...own.flatMap((word) => [`set_${word}`, `remove_${word}`]), "history", "refused", "other"];
    for (const word of words) {
        assert.ok(texts[`journal.did_${word}`], word);
    }
    for (const kind of [...kinds, "none"]) {
        assert.ok(texts[`journal.bag_${kind}`], kind);
    }
});

test("a change leads to what it changed", () => {
    assert.deepEqual(changePlace(item("user:a b", "copy/default")), {
        path: "/user-data/user/a%20b", query: { tab: "history", item: "copy/default" },
    });
    assert.deepEqual(changePlace(item("user:ann", "@group/sales")),
        { path: "/user-data/user/ann" });
    assert.deepEqual(changePlace({ kind: "bag.delete", bag: "group:g" }),
        { path: "/user-data", query: { tab: "deleted", search: "g" } });
    assert.deepEqual(changePlace(item("server", "device/37a40dfef83d0f66")),
        { path: "/devices/37a40dfef83d0f66" });
    assert.deepEqual(changePlace(item("server", "@token/1")),
        { path: "/accounts", query: { tab: "tokens" } });
    assert.equal(changePlace(item("fleet", "@fence/copy")), null);
    assert.equal(changePlace(item("", "x")), null);
    assert.equal(bagPlace({ kind: "server", name: "" }), null);
});

test("a list begins with the newest, and goes on where it was", () => {
    assert.equal(seqOfPlace(`${HISTORY}:12`), "12");
    assert.equal(seqOfPlace("12"), null);
    assert.equal(seqOfPlace(null), null);
    assert.deepEqual(goOn(null, "500", 100), { query: { tail: 100 }, skipped: 0 });
    assert.deepEqual(goOn(`${HISTORY}:12`, "500", 100),
        { query: { since: `${HISTORY}:12` }, skipped: 0 });
    assert.deepEqual(goOn(`${HISTORY}:12`, undefined, 100),
        { query: { since: `${HISTORY}:12` }, skipped: 0 });
});

test("what is too far behind is skipped, and told", () => {
    const head = String(12 + CATCH_UP_MAX);
    assert.equal(goOn(`${HISTORY}:12`, head, 100).skipped, 0);
    assert.deepEqual(goOn(`${HISTORY}:11`, head, 100),
        { query: { tail: 100 }, skipped: CATCH_UP_MAX + 1 - 100 });
});

test("older changes end where the journal begins", () => {
    const asked = { count: 200, floor: "50", bag: "", shown: 100 };
    assert.equal(before("900", HISTORY, asked).since, `${HISTORY}:699`);
    assert.equal(before("120", HISTORY, asked).since, `${HISTORY}:49`);
    assert.equal(before("50", HISTORY, asked), null);
    assert.equal(before("9223372036854775807", HISTORY, asked).since,
        `${HISTORY}:9223372036854775606`);
});

test("of one bag its changes are counted from the end, as far as the server does", () => {
    const asked = { count: 200, floor: "1", bag: "user:ann", shown: 300 };
    const query = before("900", HISTORY, asked);
    assert.deepEqual([query.tail, query.bag, query.since], [500, "user:ann", undefined]);
    assert.equal(before("900", HISTORY, { ...asked, shown: 900 }), null);
});

test("a bag is asked for by kind and name", () => {
    assert.equal(bagText("user", "ann"), "user:ann");
    assert.equal(bagText("user", ""), "");
    assert.equal(bagText("fleet", ""), "fleet");
    assert.equal(bagText("", "x"), "");
});
