/* steps_sharing.mjs - Data Sharing Details: a category becomes device-specific while machines run,
 * and that is taken back. */
import assert from "node:assert/strict";

import { inspect } from "./browser.mjs";
import { until } from "./machines.mjs";
import { countIs, rowsOf } from "./page.mjs";

const ITEM = "fax/default";

const sees = (machine, value) => until(`${machine.name} sees ${value}`, async () =>
    await machine.get("amara", ITEM) === value, 60);

const choiceOf = ({ main }) => main.getByRole("group", { name: /^Default settings: fax/ });

/* Both machines have the shared value, then each its own, and the preview told so. */
async function separating({ visit, fleet }) {
    const [one, two] = fleet.machines;
    await one.kitbag("login", "amara");
    await two.kitbag("login", "amara");
    await one.kitbag("set", "amara", ITEM, "shared");
    await sees(two, "shared");
    await visit.choose("Data Sharing Details");
    const choice = choiceOf(visit);
    assert.ok(await choice.getByLabel("Shared across All Devices").isChecked());
    await inspect(visit, "Data Sharing Details");
    await choice.getByLabel("Device-Specific (Not Shared)").check();
    await visit.main.getByText("1 setting changed, not applied yet").waitFor();
    await visit.button("OK").click();
    const confirm = visit.dialog("Change what is shared?");
    const row = confirm.getByRole("row", { name: /^Default settings: fax/ });
    await row.getByText("Becomes device-specific").waitFor();
    await row.getByText("Is initialised").waitFor();
    await inspect(visit, "before what is shared changes");
    await confirm.getByLabel("Copy: initialise nothing").check();
    await row.getByText("Begins with the shared values").waitFor();
    await inspect(visit, "before what is shared changes with a copy");
    await confirm.getByLabel("Copy: initialise nothing").uncheck();
    await row.getByText("Is initialised").waitFor();
    assert.equal(await two.get("amara", ITEM), "shared", "the preview changed it");
    await visit.button("Yes", confirm).click();
    await visit.main.getByRole("heading", { name: "Changes that can be taken back" }).waitFor();
    await countIs("it can be taken back", rowsOf(visit), 1);
    await inspect(visit, "what is shared was changed");
    await sees(one, null);
    await sees(two, null);
    await one.kitbag("set", "amara", ITEM, "own of one");
    await sees(one, "own of one");
    assert.equal(await two.get("amara", ITEM), null, "two sees what is one's own");
}

async function sharingAgain({ visit, fleet }) {
    const [one, two] = fleet.machines;
    await visit.choose("Data Sharing Details");
    await visit.button("Take Back").click();
    const confirm = visit.dialog("Take this change back?");
    const row = confirm.getByRole("row", { name: /^Default settings: fax/ });
    await row.getByText("Becomes shared").waitFor();
    await row.getByText("Its initialisation is taken back").waitFor();
    await inspect(visit, "before what is shared goes back");
    await visit.button("Yes", confirm).click();
    await until("it is shared again", async () =>
        choiceOf(visit).getByLabel("Shared across All Devices").isChecked());
    await sees(one, "shared");
    await sees(two, "shared");
    await countIs("going back can be taken back, too", rowsOf(visit), 2);
}

/* One's own value is still there, and nobody reads it. */
async function explaining({ visit, fleet }) {
    await visit.page.goto(`${fleet.address}/#/user-data/user/amara`);
    await visit.heading("amara");
    await visit.main.getByRole("button", { name: ITEM, exact: true }).click();
    const dialog = visit.page.getByRole("dialog");
    await dialog.getByText("Where the value comes from").click();
    await dialog.getByText("What is shared across all devices is seen.").waitFor();
    const own = dialog.getByRole("row").filter({ hasText: "Device-Specific" });
    await own.getByText("It is not read").waitFor();
    await inspect(visit, "where a value comes from");
    await visit.button("Close", dialog).first().click();
}

export const SHARING = [
    ["Data Sharing Details: a category becomes device-specific, told before", separating],
    ["Data Sharing Details: such a change is taken back", sharingAgain],
    ["Data Sharing Details: where a value comes from", explaining],
];
