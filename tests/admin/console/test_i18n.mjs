// The texts: the same keys and values in both languages, each used, none missing.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

import { catalogue } from "../../../admin/console/build.mjs";
import { firstLanguage, hasText, pick, setTexts, t, tx } from "../../../admin/console/src/i18n.js";

const SOURCES = fileURLToPath(new URL("../../../admin/console/src/", import.meta.url));
const en = catalogue("en");
const ja = catalogue("ja");

function code(folder = SOURCES) {
    return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
        const path = join(folder, entry.name);
        return entry.isDirectory() ? code(path)
            : entry.name.endsWith(".js") ? [readFileSync(path, "utf8")] : [];
    });
}
// without comments, which show keys that are not there
const text = code().join("\n").replace(/\/\*[^]*?\*\//g, "");

const forms = (value) => (typeof value === "string" ? [value] : Object.values(value));
const names = (value) => [...new Set(forms(value).flatMap((form) =>
    [...form.matchAll(/\{(\w+)\}/g)].map((found) => found[1])))].sort();

test("both languages have the same keys, and there are some", () => {
    assert.ok(Object.keys(en).length > 50);
    assert.deepEqual(Object.keys(ja).sort(), Object.keys(en).sort());
});

test("a text has the same {values} in both languages", () => {
    for (const key of Object.keys(en)) {
        assert.deepEqual(names(ja[key]), names(en[key]), key);
    }
});

const JAPANESE = /[\u3040-\u30ff\u4e00-\u9fff]/;

test("no text is empty, or left in the other language", () => {
    for (const key of Object.keys(en)) {
        assert.ok(forms(en[key]).every((form) => form.trim() !== ""), key);
        assert.ok(forms(ja[key]).every((form) => form.trim() !== ""), key);
        assert.ok(!JAPANESE.test(forms(en[key]).join()), `${key} in English`);
        if (forms(en[key])[0].split(/\s+/).length > 3) {
            assert.ok(JAPANESE.test(forms(ja[key]).join()), `${key} in Japanese`);
        }
    }
});

test("forms of a count are those that the language has", () => {
    for (const [language, texts] of [["en", en], ["ja", ja]]) {
        const known = new Intl.PluralRules(language).resolvedOptions().pluralCategories.sort();
        for (const [key, value] of Object.entries(texts)) {
            if (typeof value !== "string") {
                assert.deepEqual(Object.keys(value).sort(), known, `${language} ${key}`);
            }
        }
    }
});

// Keys stand in the code as "file.key", or begin a template: `problem.${code}`.
const quoted = [...text.matchAll(/["'`]([a-z_]+\.[a-z0-9_]+)["'`]/g)].map((found) => found[1]);
const begun = [...text.matchAll(/`([a-z_]+\.[a-z0-9_]*)\$\{/g)].map((found) => found[1]);

test("each text is used", () => {
    for (const key of Object.keys(en)) {
        assert.ok(quoted.includes(key) || begun.some((start) => key.startsWith(start)), key);
    }
});

test("each text that is used is there", () => {
    const asked = [...text.matchAll(/\b(?:t|tx)\(\s*["']([^"']+)["']/g)].map((found) => found[1]);
    assert.ok(asked.length > 30);
    for (const key of [...asked, ...quoted.filter((key) => /^nav\./.test(key))]) {
        assert.ok(key in en, key);
    }
});

test("values are put in, numbers as the language writes them", () => {
    setTexts("en", {
        "a.b": "{done} of {total}, {name}", "a.n": { one: "{count} row", other: "{count} rows" },
    });
    assert.equal(t("a.b", { done: 1000, total: 12345, name: "{total}" }),
        "1,000 of 12,345, {total}");
    assert.equal(t("a.n", { count: 1 }), "1 row");
    assert.equal(t("a.n", { count: 2000 }), "2,000 rows");
    assert.equal(t("a.b", { done: 0, total: 0 }), "0 of 0, {name}");
    assert.equal(t("a.none"), "a.none");
    assert.equal(hasText("a.none"), false);
    assert.deepEqual(tx("a.b", { done: 1, total: 2, name: { vnode: 1 } }),
        ["", "1", " of ", "2", ", ", { vnode: 1 }, ""]);
    assert.equal(pick({ k: { other: "all" } }, "ja", "k", { count: 1 }), "all");
});

test("the first language is what was chosen, else what the browser wants", () => {
    assert.equal(firstLanguage("ja", ["en-US"]), "ja");
    assert.equal(firstLanguage("", ["fr", "ja-JP", "en"]), "ja");
    assert.equal(firstLanguage("xx", ["fr"]), "en");
    assert.equal(firstLanguage("", undefined), "en");
});
