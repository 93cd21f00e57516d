/* build.mjs - bundles the console and writes it as a C file.
 *
 *   node build.mjs OUT      OUT/files: the pages' files, with the hash of their content in the name
 *                           OUT/assets.c: admin_console_assets (admin/https/asset.h), each file
 *                           plain and as gzip
 *
 * The same sources give the same bytes. The texts of a language (src/locales/LANGUAGE/FILE.json)
 * become two modules with the keys FILE.KEY: "locale:LANGUAGE/frame", which signing in and the
 * frame need, and "locale:LANGUAGE/pages". */
import { createHash } from "node:crypto";
import {
    mkdirSync, readdirSync, readFileSync, realpathSync, rmSync, writeFileSync,
} from "node:fs";
import { basename, dirname, extname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const HERE = dirname(fileURLToPath(import.meta.url));
const SOURCES = join(HERE, "src");

const TYPES = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
};

function fail(sentence) {
    process.stderr.write(`${sentence}\n`);
    process.exit(1);
}

async function bundler() {
    const [major] = process.versions.node.split(".");
    if (Number(major) < 18) {
        fail(`The console is bundled with Node 18 or later; this is ${process.versions.node}.`);
    }
    try {
        return await import("esbuild");
    } catch {
        fail("The console's npm packages are not installed: run 'npm ci' in admin/console" +
            " (./dev does it by itself).");
    }
}

const FRAME_TEXTS = ["common", "nav", "password", "problem", "sign_in", "state"];

/* The texts of a language, {"portal.title": "Portal"}: those of the "frame", of the "pages", or
 * all. */
export function catalogue(language, part) {
    const texts = {};
    const folder = join(SOURCES, "locales", language);
    for (const file of readdirSync(folder).filter((name) => name.endsWith(".json")).sort()) {
        const name = basename(file, ".json");
        if (part && FRAME_TEXTS.includes(name) !== (part === "frame")) {
            continue;
        }
        const page = JSON.parse(readFileSync(join(folder, file), "utf8"));
        for (const [key, text] of Object.entries(page)) {
            texts[`${name}.${key}`] = text;
        }
    }
    return texts;
}

const locales = {
    name: "locales",
    setup(build) {
        build.onResolve({ filter: /^locale:/ }, ({ path }) => (
            { path: path.slice("locale:".length), namespace: "locale" }));
        build.onLoad({ filter: /.*/, namespace: "locale" }, ({ path }) => (
            { contents: JSON.stringify(catalogue(...path.split("/"))), loader: "json" }));
    },
};

async function bundle(esbuild, out) {
    const built = await esbuild.build({
        entryPoints: { app: join(SOURCES, "main.js"), style: join(SOURCES, "style.css") },
        outdir: out, bundle: true, splitting: true, format: "esm", target: "es2022", minify: true,
        entryNames: "[name]-[hash]", chunkNames: "[name]-[hash]", assetNames: "[name]-[hash]",
        charset: "utf8", legalComments: "none", metafile: true, plugins: [locales],
        loader: { ".svg": "file" }, logLevel: "warning", absWorkingDir: HERE,
    });
    return built.metafile.outputs;
}

/* Write what esbuild does not name, with its hash in the name, which is returned. */
function named(out, file, bytes) {
    const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 8).toUpperCase();
    const name = `${basename(file, extname(file))}-${hash}${extname(file)}`;
    writeFileSync(join(out, name), bytes);
    return name;
}

/* Pictures that stand in the styles as data: addresses become files, because the page's policy
 * allows nothing else. What is left is none, or the build fails. */
function picturesAsFiles(out, style) {
    const path = join(out, style);
    const text = readFileSync(path, "utf8").replace(
        /url\((["']?)data:image\/svg\+xml,(.*?)\1\)/g,
        (_, quote, svg) => `url(/${named(out, "icon.svg", decodeURIComponent(svg))})`);
    if (text.includes("data:")) {
        fail(`${style} has a data: address that the policy of the console does not allow.`);
    }
    writeFileSync(path, text);
}

/* What a file needs before it can run, in turn. */
function needs(outputs, file, found = new Set()) {
    for (const { path, kind } of outputs[file].imports) {
        if (kind === "import-statement" && !found.has(path)) {
            found.add(path);
            needs(outputs, path, found);
        }
    }
    return [...found];
}

/* The one page; what the program needs at once is fetched beside it, not after it. */
function page(out, outputs) {
    const entry = (name) => Object.keys(outputs).find((file) =>
        outputs[file].entryPoint === `src/${name}`);
    const preload = needs(outputs, entry("main.js"))
        .map((file) => `<link rel="modulepreload" href="/${basename(file)}">\n`).join("");
    const style = basename(entry("style.css"));
    const text = readFileSync(join(SOURCES, "index.html"), "utf8")
        .replace("{app}", basename(entry("main.js")))
        .replace("{style}", style)
        .replace("{preload}\n", preload)
        .replace("{icon}", named(out, "favicon.svg", readFileSync(join(SOURCES, "favicon.svg"))));
    writeFileSync(join(out, "index.html"), text);
    picturesAsFiles(out, style);
}

/* --- the C file --- */

const PACKET = 1400; /* what goes in one packet anyhow is not packed: that would gain nothing */

function array(name, bytes) {
    const lines = [];
    for (let at = 0; at < bytes.length; at += 24) {
        lines.push(`    ${bytes.subarray(at, at + 24).join(",")},`);
    }
    return `static const unsigned char ${name}[] = {\n${lines.join("\n")}\n};\n`;
}

function row(file, i, plain, gzip) {
    const etag = createHash("sha256").update(plain).digest("hex").slice(0, 32);
    const packed = gzip ? `gzip_${i}, sizeof gzip_${i}` : "NULL, 0";
    const path = file === "index.html" ? "/" : `/${file}`;
    const bytes = `plain_${i}, sizeof plain_${i}, ${packed}`;
    return `    {"${path}", "${TYPES[extname(file)]}", ${bytes},\n` +
        `     "${etag}", ${file !== "index.html"}},\n`;
}

function source(folder) {
    const arrays = [];
    const rows = [];
    for (const [i, file] of readdirSync(folder).sort().entries()) {
        const plain = readFileSync(join(folder, file));
        const packed = gzipSync(plain, { level: 9 });
        const gains = plain.length > PACKET && packed.length < plain.length * 0.9;
        const gzip = gains ? packed : null;
        arrays.push(array(`plain_${i}`, plain), gzip ? array(`gzip_${i}`, gzip) : "");
        rows.push(row(file, i, plain, gzip));
    }
    return "/* Made by admin/console/build.mjs of the files in admin/console/src. */\n" +
        '#include "admin/https/asset.h"\n\n' +
        `${arrays.join("")}\nconst struct admin_asset admin_console_assets[] = {\n` +
        `${rows.join("")}    {0},\n};\n`;
}

async function main([out]) {
    if (!out) {
        fail("Usage: node build.mjs OUT");
    }
    const esbuild = await bundler();
    const folder = resolve(out);
    const files = join(folder, "files");
    rmSync(files, { recursive: true, force: true });
    mkdirSync(files, { recursive: true });
    let outputs;
    try {
        outputs = await bundle(esbuild, files);
    } catch {
        fail("The console could not be bundled; esbuild says above where.");
    }
    page(files, outputs);
    writeFileSync(join(folder, "assets.c"), source(files));
}

/* Run as a program, by whatever path: a link to the folder is as good. */
if (process.argv[1] && realpathSync(process.argv[1]) === fileURLToPath(import.meta.url)) {
    await main(process.argv.slice(2));
}
