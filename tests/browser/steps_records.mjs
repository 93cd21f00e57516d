/* steps_records.mjs - what was done: the journal as it grows, the log, the audit. */
import assert from "node:assert/strict";

import { inspect } from "./browser.mjs";
import { until } from "./machines.mjs";
import { rowsOf } from "./page.mjs";

async function journal({ visit, fleet }) {
    const [one] = fleet.machines;
    await visit.choose("Journal");
    await rowsOf(visit).first().waitFor();
    await inspect(visit, "Journal");
    await one.kitbag("set", "amara", "copy/live", "now");
    const row = rowsOf(visit).filter({ hasText: "copy/live set" });
    const begin = Date.now();
    await row.waitFor();
    const took = Date.now() - begin;
    assert.ok(await row.getByRole("link", { name: "amara" }).count() > 0, "it does not say whose");
    await row.getByRole("button", { name: /^Open change/ }).click();
    const change = visit.page.getByRole("dialog", { name: /^Change / });
    await change.getByText("copy/live").first().waitFor();
    await inspect(visit, "a change");
    await visit.button("Close", change).first().click();
    await visit.main.getByRole("link", { name: "Reach and Size" }).click();
    await visit.main.getByText("What holds it").waitFor();
    await inspect(visit, "the journal's reach");
    return `a change was shown ${took} ms after the machine had it`;
}

async function log({ visit }) {
    await visit.choose("Log");
    await visit.page.getByLabel("Filter").fill("device.joined");
    await rowsOf(visit).filter({ hasText: "device.joined" }).first().waitFor();
    await inspect(visit, "Log");
    const waiting = visit.page.waitForEvent("download");
    await visit.button("Download as text").click();
    const stream = await (await waiting).createReadStream();
    let text = "";
    for await (const piece of stream) {
        text += piece;
    }
    const lines = text.trim().split("\n");
    assert.ok(lines.length >= 3 && lines.every((line) => line.includes("device.joined")), text);
}

/* What the steps before did is all there. */
async function audit({ visit }) {
    await visit.choose("Audit");
    for (const [action, whom] of [["Removed machines", "machine-3"], ["Made join tokens", ""],
        ["Deleted user data", "amara"], ["Restored user data", "amara"],
        ["Stopped synchronization", ""], ["Started synchronization", ""]]) {
        const row = rowsOf(visit).filter({ hasText: action }).filter({ hasText: whom });
        await row.first().getByText("admin").waitFor();
    }
    await inspect(visit, "Audit");
    await visit.button("Removed machines").first().click();
    const event = visit.page.getByRole("dialog");
    await event.getByText("join the machine again with a new join token").waitFor();
    await inspect(visit, "an event of the audit");
    await visit.button("Close", event).first().click();
    await until("it is closed", async () => await event.count() === 0);
}

export const RECORDS = [
    ["Journal: a change is there as soon as it is made", journal],
    ["Log: filtered, and taken along as a file", log],
    ["Audit: all that was done, by whom, and the way back", audit],
];
