/* run.mjs - the procedures of the console, clicked through in a browser against a server and its
 * machines, one after the other. Prints TAP.
 *
 *   node run.mjs FLEET.json [NAME]    {address, password, bin, dir, data, machines}; tests/e2e/
 *                                     test_console starts them. NAME: only the steps that have it
 *                                     in their name, after signing in
 *
 * A step that fails leaves a picture of what was to be seen in build/browser/. */
import { mkdirSync, readFileSync } from "node:fs";

import { missing, SIZES, startBrowser, Visit } from "./browser.mjs";
import { Fleet } from "./machines.mjs";
import { EXPORTS } from "./steps_exports.mjs";
import { MACHINES } from "./steps_machines.mjs";
import { PEOPLE } from "./steps_people.mjs";
import { RECORDS } from "./steps_records.mjs";
import { COMING, LEAVING } from "./steps_session.mjs";
import { SHARING } from "./steps_sharing.mjs";

const STEPS = [
    ...COMING, ...PEOPLE, ...EXPORTS, ...SHARING, ...MACHINES, ...RECORDS, ...LEAVING,
];

const PICTURES = new URL("../../build/browser/", import.meta.url).pathname;
const STEP_S = 300; /* each wait in a step has a shorter limit of its own */

function within(promise, seconds) {
    let timer;
    const late = new Promise((_, reject) => {
        timer = setTimeout(() => reject(new Error(`not within ${seconds} s`)), seconds * 1000);
    });
    return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}

/* `error.page`: it was of another window. */
async function picture(page, number) {
    try {
        mkdirSync(PICTURES, { recursive: true });
        await page.screenshot({ path: `${PICTURES}step-${number}.png`, timeout: 5000 });
        return `what was to be seen: build/browser/step-${number}.png, at ${page.url()}`;
    } catch (error) {
        return `no picture of it: ${error.message}`;
    }
}

/* Runs one step and tells; resolves to whether it passed. */
async function step(number, [name, procedure], world) {
    const begin = Date.now();
    try {
        const note = await within(procedure(world), STEP_S);
        const complaints = world.visit.complaints();
        if (complaints.length > 0) {
            throw new Error(`the browser complains:\n${complaints.join("\n")}`);
        }
        const took = `${((Date.now() - begin) / 1000).toFixed(1)} s`;
        console.log(`ok ${number} - ${name} (${note ? `${note}; ` : ""}${took})`);
        return true;
    } catch (error) {
        console.log(`not ok ${number} - ${name}`);
        const seen = await picture(error.page ?? world.visit.page, number);
        console.log(`${error.stack}\n${seen}`.replace(/^/gm, "# "));
        await world.visit.page.setViewportSize(SIZES.wide);
        await world.visit.page.reload().catch(() => {}); /* no dialog is in the next one's way */
        world.visit.complaints();
        return false;
    }
}

/* One after the other, in one window; resolves to the exit code. */
async function runSteps(browser, fleet, only) {
    const world = { browser, fleet, visit: await Visit.begin(browser, fleet.address) };
    const steps = STEPS.filter(([name], i) => i === 0 || name.includes(only));
    console.log(`1..${steps.length}`);
    let failed = 0;
    for (const [i, one] of steps.entries()) {
        failed += (await step(i + 1, one, world)) ? 0 : 1;
    }
    return failed > 0 ? 1 : 0;
}

async function main([file, only = ""]) {
    const reason = missing();
    if (reason) {
        /* What is missing is installed by ./dev test; who runs this file alone is told by name. */
        console.log(`1..1\nok 1 - the procedures of the console # SKIP ${reason}`);
        return 0;
    }
    const fleet = new Fleet(JSON.parse(readFileSync(file, "utf8")));
    const browser = await startBrowser();
    try {
        return await runSteps(browser, fleet, only);
    } finally {
        fleet.machines.forEach((machine) => machine.stopAgent());
        await browser.close();
    }
}

process.exit(await main(process.argv.slice(2)));
