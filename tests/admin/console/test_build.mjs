// The bundle: the same twice, small at first, and with nothing that the page's policy forbids.
import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const BUILD = fileURLToPath(new URL("../../../admin/console/build.mjs", import.meta.url));
const FIRST_PAGE_MAX = 60000; // over the wire, with some 600 bytes of head for each answer
const HEAD = 600;

const scratch = mkdtempSync(join(tmpdir(), "kitbag-console-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true }));

function build(name) {
    const out = join(scratch, name);
    execFileSync("node", [BUILD, out]);
    const files = new Map(readdirSync(join(out, "files")).map((file) =>
        [file, readFileSync(join(out, "files", file))]));
    return { files, source: readFileSync(join(out, "assets.c"), "utf8") };
}
const first = build("first");

// The files that a browser fetches for the sign-in page, following static imports.
function signInPage(language) {
    const wanted = new Set(["index.html"]);
    for (const name of wanted) {
        const text = first.files.get(name).toString();
        const found = name.endsWith(".html") ? text.matchAll(/(?:href|src)="\/([^"]+)"/g)
            : name.endsWith(".js") ? text.matchAll(/(?:from|import)"\.\/([^"]+)"/g) : [];
        [...found].forEach((one) => wanted.add(one[1]));
    }
    const app = [...wanted].filter((name) => name.endsWith(".js"))
        .map((name) => first.files.get(name).toString()).join();
    const frames = [...first.files.keys()].filter((name) => name.startsWith("frame-"));
    const texts = frames.find((name) =>
        /[\u3040-\u30ff]/.test(first.files.get(name)) === (language === "ja"));
    assert.ok(app.includes(texts), "the texts are fetched by what is fetched");
    return [...wanted, texts];
}

test("the first page is small in both languages", () => {
    for (const language of ["en", "ja"]) {
        const names = signInPage(language);
        assert.ok(names.length >= 6, names.join(" "));
        const size = names.reduce((sum, name) =>
            sum + gzipSync(first.files.get(name), { level: 9 }).length + HEAD, 2 * HEAD);
        assert.ok(size <= FIRST_PAGE_MAX, `${size} bytes: ${names.join(" ")}`);
    }
});

test("nothing needs what the page's policy forbids", () => {
    const html = first.files.get("index.html").toString();
    assert.ok(!/<style|\son\w+=|style=|<script>/.test(html));
    for (const [name, bytes] of first.files) {
        if (name.endsWith(".css")) {
            assert.ok(!/data:|https?:|@import/.test(bytes), name);
            for (const found of bytes.toString().matchAll(/url\(["']?(?:\.?\/)([^"')]+)/g)) {
                assert.ok(first.files.has(found[1]), found[1]);
            }
        }
        if (name.endsWith(".js")) {
            assert.ok(!/\beval\(|new Function\(/.test(bytes), name);
        }
    }
});

test("each file is in the table, under a name that changes with it", () => {
    for (const name of first.files.keys()) {
        const row = `{"${name === "index.html" ? "/" : `/${name}`}", "`;
        assert.ok(first.source.includes(row), name);
        assert.ok(name === "index.html" || /-[A-Z0-9]{8}\.\w+$/.test(name), name);
    }
    assert.match(first.source, /\{0\},\n\};\n$/);
});

test("the same sources give the same bytes", () => {
    // into a folder that is told as seen from elsewhere, too, and by a link to the sources
    const link = join(scratch, "link");
    symlinkSync(dirname(BUILD), link);
    execFileSync("node", [join(link, "build.mjs"), "second"], { cwd: scratch });
    assert.equal(readFileSync(join(scratch, "second", "assets.c"), "utf8"), first.source);
});

test("without a folder it says how it is used", () => {
    const done = spawnSync("node", [BUILD], { encoding: "utf8" });
    assert.equal(done.status, 1);
    assert.match(done.stderr, /Usage: node build.mjs OUT/);
});
