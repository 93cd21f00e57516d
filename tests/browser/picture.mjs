/* picture.mjs - the picture of the console that README.md shows.
 *
 *   node tests/browser/picture.mjs [OUT.png [PLACE [SECONDS]]]
 *                                    docs/console.png, /portal, 240 when not given
 *
 * Starts './dev run' in a folder of its own, twice, lets people at its machines write for that many
 * seconds, so that the charts have something to show, and takes the picture. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { missing, startBrowser, Visit } from "./browser.mjs";
import { run } from "./machines.mjs";

const ROOT = new URL("../../", import.meta.url).pathname;
const MAX_BYTES = 200000;
const START_S = 600; /* it may have to build everything */

function freePort() {
    return new Promise((resolve) => {
        const server = createServer().listen(0, "127.0.0.1", () => {
            const { port } = server.address();
            server.close(() => resolve(port));
        });
    });
}

/* ./dev run in `folder`: {dev, address, password, person}, when it says what to try. */
async function start(folder, port) {
    const env = { ...process.env, DEV_RUN: folder, DEV_PORT: String(port) };
    const dev = spawn("./dev", ["run"], { cwd: ROOT, env, stdio: ["ignore", "pipe", "inherit"] });
    let said = "";
    dev.stdout.on("data", (piece) => {
        said += piece;
    });
    for (let tick = 0; tick < START_S * 10 && !said.includes("Logs are in"); tick++) {
        if (dev.exitCode !== null) {
            throw new Error(`./dev run ended: ${said}`);
        }
        await sleep(100);
    }
    const [, address, password] = /(https:\/\/localhost:\d+) .* password (\S+)/.exec(said);
    const [, person] = /; (\S+) is signed in/.exec(said);
    return { dev, address: address.replace("localhost", "127.0.0.1"), password, person };
}

function stop(dev) {
    dev.kill("SIGTERM");
    return new Promise((resolve) => dev.once("exit", resolve));
}

/* People come and go: waves of writes from three machines, with breaks. */
async function work(folder, person, seconds) {
    const begin = Date.now();
    for (let i = 0; Date.now() - begin < seconds * 1000; i++) {
        const wave = 1 + Math.sin((Date.now() - begin) / 9000) + Math.random();
        if (i % 40 === 39) {
            await sleep(5000);
        }
        await run(`${ROOT}build/release/bin/kitbag`, ["--data", `${folder}/machine-${i % 3 + 1}`,
            "set", person, `copy/shortcuts/${i % 20}`, JSON.stringify({ copies: i })]);
        await sleep(400 / (0.3 + wave));
    }
}

async function main([out = join(ROOT, "docs/console.png"), place = "/portal", seconds = "240"]) {
    const reason = missing();
    if (reason) {
        throw new Error(reason);
    }
    const folder = mkdtempSync(join(tmpdir(), "kitbag-picture-"));
    const port = await freePort();
    await stop((await start(folder, port)).dev); /* the import is not what a usual day looks like */
    const { dev, address, password, person } = await start(folder, port);
    const browser = await startBrowser();
    try {
        const visit = await Visit.begin(browser, address,
            { viewport: { width: 1280, height: 860 } });
        await visit.go(place);
        await visit.signIn("admin", password);
        await visit.main.getByRole("heading", { level: 1 }).waitFor();
        await work(folder, person, Number(seconds));
        await sleep(6000); /* the next numbers are in the charts */
        await visit.page.screenshot({ path: out });
    } finally {
        await browser.close();
        await stop(dev);
        rmSync(folder, { recursive: true, force: true });
    }
    const { size } = statSync(out);
    if (size > MAX_BYTES) {
        throw new Error(`${out} has ${size} bytes, more than ${MAX_BYTES}`);
    }
    console.log(`${out}: ${size} bytes`);
}

await main(process.argv.slice(2));
