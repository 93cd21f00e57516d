/* browser.mjs - Chromium as people have it, and a page of the console in it that is watched.
 *
 * A Visit notes what must not happen: errors in the browser's console, refusals by the page's
 * policy, requests to anywhere but the server. complaints() tells what came since it was asked
 * last; a test that ends with some has failed. */
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";

const modules = new URL("../../admin/console/node_modules/", import.meta.url);
const CHROMIUM = process.env.KITBAG_CHROMIUM ?? "/usr/bin/chromium";
const SLOW = Number(process.env.KITBAG_SLOW ?? 0); /* so many times slower than it is */
const LATENCY_MS = 100;
const LATE_MS = 50; /* for each time slower */
const WAIT_MS = 15000;
const DRAWN_MS = 10000;

/* Why nothing can be shown here; null when it can. */
export function missing() {
    if (!existsSync(CHROMIUM)) {
        return `there is no Chromium at ${CHROMIUM}`;
    }
    return existsSync(new URL("playwright-core/package.json", modules))
        ? null : "the console's npm packages are not installed";
}

const load = createRequire(import.meta.url);
const module = (name) => new URL(name, modules).pathname;

export async function startBrowser() {
    const { chromium } = load(module("playwright-core"));
    return chromium.launch({
        executablePath: CHROMIUM,
        args: [
            ...(process.getuid() === 0 ? ["--no-sandbox"] : []), /* it refuses to run as root */
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", /* no way to elsewhere */
        ],
    });
}

/* In the page: each timer and each frame comes up to so many ms later. */
function late(most_ms) {
    const { setTimeout: timer, requestAnimationFrame: frame } = window;
    window.setTimeout = (run, pause_ms = 0, ...values) =>
        timer(run, pause_ms + most_ms * Math.random(), ...values);
    window.requestAnimationFrame = (run) => frame(() =>
        timer(() => run(performance.now()), most_ms * Math.random()));
}

/* As on a machine that is slow and far from the server: what passes by luck alone shows itself. */
async function slowDown(page) {
    const session = await page.context().newCDPSession(page);
    await session.send("Emulation.setCPUThrottlingRate", { rate: SLOW });
    await session.send("Network.emulateNetworkConditions", {
        offline: false, latency: LATENCY_MS, downloadThroughput: -1, uploadThroughput: -1,
    });
}

/* --- one browser's window, with its cookies --- */

export const SIZES = { wide: { width: 1280, height: 900 }, narrow: { width: 390, height: 844 } };

export class Visit {
    /* `origin` is the server's address; `options` are those of a context of Playwright. */
    static async begin(browser, origin, options = {}) {
        const context = await browser.newContext({
            ignoreHTTPSErrors: true, /* the certificate is the server's own */
            locale: "en-US", viewport: SIZES.wide, reducedMotion: "reduce", colorScheme: "light",
            ...options,
        });
        context.setDefaultTimeout(WAIT_MS);
        await context.grantPermissions(["clipboard-read", "clipboard-write"], { origin });
        if (SLOW > 0) {
            await context.addInitScript(late, SLOW * LATE_MS);
        }
        const visit = new Visit(context, origin);
        await visit.open();
        return visit;
    }

    constructor(context, origin) {
        this.context = context;
        this.origin = origin;
        this.found = [];
        this.expected = [];
        context.on("request", (request) => this.request(request));
        context.on("console", (message) => this.message(message));
        context.on("weberror", (error) => this.found.push(`${error.error().stack}`));
    }

    /* Another tab; it is the one that `page` is. */
    async open() {
        this.page = await this.context.newPage();
        if (SLOW > 0) {
            await slowDown(this.page);
        }
        return this.page;
    }

    request(request) {
        const { origin, protocol } = new URL(request.url());
        if (origin !== this.origin && protocol !== "blob:") {
            this.found.push(`a request to ${request.url()}`);
        }
    }

    /* The browser calls every answer that is not a success an error; those that a step is about
     * are expected, each once: "401 /session". */
    message(message) {
        if (!["error", "warning"].includes(message.type())) {
            return;
        }
        const status = /responded with a status of (\d+)/.exec(message.text())?.[1];
        const path = message.location().url.replace(`${this.origin}/api/v1`, "");
        const at = this.expected.indexOf(`${status} ${path}`);
        if (at >= 0) {
            this.expected.splice(at, 1);
        } else {
            this.found.push(`${message.type()}: ${message.text()} (${message.location().url})`);
        }
    }

    /* These answers will come in what follows. */
    expect(...answers) {
        this.expected.push(...answers);
    }

    complaints() {
        const found = this.found.splice(0);
        const lacking = this.expected.splice(0);
        found.push(...lacking.map((one) => `it was expected and did not come: ${one}`));
        return found;
    }

    go(place) {
        return this.page.goto(`${this.origin}/#${place}`);
    }

    /* The part of the page that is not the frame. */
    get main() {
        return this.page.getByRole("main");
    }

    get title() {
        return this.main.getByRole("heading", { level: 1 });
    }

    heading(name) {
        return this.main.getByRole("heading", { level: 1, name, exact: true }).waitFor();
    }

    button(name, within = this.page) {
        return within.getByRole("button", { name, exact: true });
    }

    /* That ticks a row. */
    box(name) {
        return this.page.getByRole("checkbox", { name: `Select ${name}`, exact: true });
    }

    /* By the navigation, as one who does not know the address. */
    async choose(name) {
        await this.page.getByRole("navigation", { name: "Main" })
            .getByRole("link", { name, exact: true }).click();
        await this.heading(name);
    }

    dialog(name) {
        return this.page.getByRole("dialog", { name, exact: true });
    }

    async signIn(name, password) {
        await this.page.getByLabel("User name").fill(name);
        await this.page.getByLabel("Password", { exact: true }).fill(password);
        await this.button("Sign In").click();
    }

    close() {
        return this.context.close();
    }
}

/* --- accessibility --- */

const axe = () => readFileSync(module("axe-core/axe.min.js"), "utf8");
let axeSource = null;

async function run(page) {
    axeSource ??= axe();
    if (!(await page.evaluate(() => "axe" in window))) {
        await page.evaluate(axeSource); /* not as a script of the page, whose policy forbids it */
    }
    return page.evaluate(async () => {
        const { violations } = await window.axe.run(document, { resultTypes: ["violations"] });
        return violations.flatMap(({ id, help, nodes }) => nodes.map(({ target, failureSummary }) =>
            `${id}: ${help}: ${target.join(" ")}: ${failureSummary}`));
    });
}

/* Whether something is wider than the window, in a list: nobody should have to scroll sideways.
 * Charts are drawn anew a moment after the window has changed. */
export async function sideways(page) {
    const fits = () => document.documentElement.scrollWidth <=
        document.documentElement.clientWidth;
    const waited = page.waitForFunction(fits, undefined, { timeout: DRAWN_MS });
    return waited.then(() => [], async () =>
        [`it is ${await page.evaluate(() => document.documentElement.scrollWidth)} px wide`]);
}

/* In the page: nothing of what lies in front waits for the server. */
function isSettled() {
    const front = [document, ...document.querySelectorAll("dialog[open]")].at(-1);
    return !front.querySelector("[aria-busy=true]");
}

/* What axe finds in the page, once it is settled, in both themes, wide and narrow. Afterwards the
 * page is as it was. */
export async function inspect(visit, what) {
    const { page } = visit;
    await page.waitForFunction(isSettled);
    const before = page.viewportSize();
    const found = [];
    for (const colorScheme of ["dark", "light"]) {
        await page.emulateMedia({ colorScheme });
        for (const [size, viewport] of Object.entries(SIZES)) {
            await page.setViewportSize(viewport);
            for (const problem of [...await sideways(page), ...await run(page)]) {
                found.push(`${what}, ${colorScheme}, ${size}: ${problem}`);
            }
        }
    }
    await page.setViewportSize(before);
    assert.deepEqual(found, [], found.join("\n"));
}
