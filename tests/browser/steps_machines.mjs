/* steps_machines.mjs - machines: found, looked at, admitted with a join token, removed. */
import assert from "node:assert/strict";

import { inspect } from "./browser.mjs";
import { Machine, until } from "./machines.mjs";
import { countIs, factIs, rowsOf } from "./page.mjs";

const CUT_MS = 1000;

async function confirming({ visit, fleet }) {
    const [, two] = fleet.machines;
    await visit.choose("Confirm Device Information");
    await visit.main.getByText("Registered machines: 2, connected: 2").waitFor();
    await inspect(visit, "Confirm Device Information");
    const filter = visit.page.getByLabel("Filter");
    await filter.pressSequentially("INE-2", { delay: 30 });
    await countIs("one is left as one types", rowsOf(visit), 1);
    assert.match(visit.page.url(), /#\/devices\?filter=INE-2$/);
    await inspect(visit, "a filter");
    await visit.main.getByRole("link", { name: two.name, exact: true }).click();
    await visit.heading(two.name);
    const { device } = await two.status();
    await factIs(visit, "ID", device);
    await factIs(visit, "Address", "127.0.0.1");
    await factIs(visit, "What it lacks", "Nothing");
    await visit.main.getByText("It is connected and gets changes as they are made.").waitFor();
    await visit.main.getByRole("link", { name: "amara", exact: true }).waitFor();
    await inspect(visit, "a machine");
    await visit.page.goBack();
    await countIs("the filter is as it was", rowsOf(visit), 1);
    await filter.fill("nothing like it");
    await visit.main.getByText("No machine has that in its name").waitFor();
    await inspect(visit, "no machine found");
}

/* A token is made, taken along, used; the machine appears by itself. */
async function joining({ visit, fleet }) {
    await visit.choose("Join Tokens");
    await visit.button("Make Join Tokens").first().click();
    const make = visit.dialog("Make Join Tokens");
    await inspect(visit, "before making a join token");
    await visit.button("Make", make).click();
    await visit.main.getByRole("heading", { name: "1 join token was made" }).waitFor();
    const shown = visit.main.getByRole("group", { name: /^Command with the token/ });
    await visit.button("Copy", shown).click();
    await inspect(visit, "a join token was made");
    const words = (await visit.page.evaluate(() => navigator.clipboard.readText())).split(" ");
    assert.equal(words.length, 3, `it is no command: ${words}`);
    assert.deepEqual(words.slice(0, 2), ["kitbag", "join"]);
    await visit.button("Done").click();

    const three = new Machine(fleet, "machine-3");
    fleet.machines.push(three);
    await three.kitbag("join", words[2], "--name", three.name);
    await rowsOf(visit).filter({ hasText: three.name }).getByText("Used").waitFor();
    await inspect(visit, "a join token was used");
    await visit.choose("Confirm Device Information");
    await visit.main.getByText("Registered machines: 3, connected: 2").waitFor();
    await three.startAgent();
    await visit.main.getByText("Registered machines: 3, connected: 3").waitFor();
    await rowsOf(visit).filter({ hasText: three.name }).getByText("Connected").waitFor();
    await three.kitbag("login", "amara");
}

/* When the machine did not know yet that it is removed: for the last time, as far as was asked. */
async function servedUntil(machine) {
    let served = Date.now();
    await until(`${machine.name} is cut off`, async () => {
        const asked = Date.now();
        const knows = (await machine.status()).code === "device_removed";
        served = knows ? served : asked;
        return knows;
    }, 30, 5);
    return served;
}

async function removing({ visit, fleet }) {
    const [one, , three] = fleet.machines;
    await visit.choose("Confirm Device Information");
    await visit.box(three.name).check();
    await visit.button("Delete").click();
    const confirm = visit.dialog(`Delete ${three.name}?`);
    await confirm.getByText("1 machine is connected now").waitFor();
    await inspect(visit, "before removing a machine");
    assert.equal((await three.status()).connected, true, "the preview removed it");
    const request = visit.page.waitForRequest(/\/devices\/delete$/).then(() => Date.now());
    const served = servedUntil(three);
    await visit.button("Yes", confirm).click();
    const took = Math.max(0, await served - await request);
    await visit.main.getByRole("heading", { name: "Deleted: 1 machine" }).waitFor();
    await inspect(visit, "a machine was removed");
    assert.ok(took <= CUT_MS, `it was served for ${took} ms more`);
    await one.kitbag("set", "amara", "copy/after", "from one");
    await until("the server has it", async () =>
        (await fleet.machines[1].get("amara", "copy/after")) === "from one");
    assert.equal(await three.get("amara", "copy/after"), null, "a removed machine is served");
    three.stopAgent();
    await visit.main.getByRole("link", { name: "Its details" }).click();
    await visit.heading(three.name);
    await visit.main.getByText("It comes back with a new join token only.").waitFor();
    await inspect(visit, "a removed machine");
    return `not served any more ${took} ms after Yes`;
}

export const MACHINES = [
    ["Confirm Device Information: filter as one types, details", confirming],
    ["a join token is made, and a machine joins with it", joining],
    ["a machine is removed, and cut off within a second", removing],
];
