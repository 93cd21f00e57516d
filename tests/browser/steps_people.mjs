/* steps_people.mjs - synchronization, and people's data: deleted, restored, put back. Each step
 * takes {visit, fleet} and leaves the console signed in. */
import assert from "node:assert/strict";

import { inspect } from "./browser.mjs";
import { until } from "./machines.mjs";
import { countIs, factIs, rowsOf } from "./page.mjs";

/* --- Prepare synchronization, check status --- */

async function preparing({ visit, fleet }) {
    const [one, two] = fleet.machines;
    await visit.choose("Synchronize Custom Settings (Server)");
    await factIs(visit, "Registered users", "24");
    await factIs(visit, "User groups", "1");
    await factIs(visit, "Joined machines", "2");
    await inspect(visit, "Synchronize, running");

    await visit.button("Stop").click();
    const stop = visit.dialog("Stop synchronization?");
    await stop.getByText("Connected machines (2) stay connected").waitFor();
    await inspect(visit, "before a stop");
    await visit.button("No", stop).click();
    await stop.waitFor({ state: "hidden" });
    assert.equal((await fleet.ctl("sync", "status")).state, "running", "No was a Yes");
    await visit.button("Stop").click();
    await visit.button("Yes", stop).click();
    await visit.main.getByText("Nothing is exchanged.").waitFor();
    await until("the machine is told", async () => (await one.status()).code === "stopped");
    await one.kitbag("set", "amara", "copy/late", "from one");
    await factIs(visit, "Machines with unsent writes", "1");
    await inspect(visit, "Synchronize, stopped");
    assert.equal(await two.get("amara", "copy/late"), null, "it was exchanged");

    await visit.button("Start").click();
    const start = visit.dialog("Start synchronization?");
    await start.getByText("1 machine holds writes that the server does not have yet").waitFor();
    await inspect(visit, "before a start");
    await visit.button("Yes", start).click();
    await visit.main.getByText("Machines and server exchange changes as they are made.").waitFor();
    await until("it arrives", async () => await two.get("amara", "copy/late") === "from one");
}

/* --- Delete User Data --- */

async function deleting({ visit, fleet }) {
    const [one] = fleet.machines;
    await visit.choose("Delete User Data");
    const search = visit.page.getByLabel("Search: user name or group ID");
    await countIs("all are listed", rowsOf(visit), 25);
    await visit.main.getByText("Registered: users 24, user groups 1").waitFor();
    await inspect(visit, "Delete User Data");
    await search.pressSequentially("ama", { delay: 30 });
    await countIs("one is found as one types", rowsOf(visit), 1);
    await visit.box("amara").check();
    await search.fill("");
    await countIs("a blank search lists all", rowsOf(visit), 25);
    await visit.box("ben").check();
    await inspect(visit, "two are ticked");

    await visit.button("Delete").click();
    const confirm = visit.dialog("Delete the data of 2?");
    for (const words of ["amara", "ben", "The data disappears from 2 machines"]) {
        await confirm.getByText(words).first().waitFor();
    }
    await inspect(visit, "before deleting users");
    assert.ok(await fleet.has("user", "amara"), "the preview deleted her");
    await visit.button("Yes", confirm).click();
    await visit.main.getByRole("heading", { name: "Deleted: users 2, user groups 0" }).waitFor();
    await countIs("they are out of the list", rowsOf(visit), 23);
    assert.ok(!await fleet.has("user", "amara") && !await fleet.has("user", "ben"));
    await until("the machine has let go", async () => !await one.keeps("amara"));
    await inspect(visit, "users were deleted");

    await visit.button("Undo").click();
    const restore = visit.dialog("Restore the data of 2?");
    await restore.getByText("amara").first().waitFor();
    await inspect(visit, "before restoring users");
    await visit.button("Yes", restore).click();
    await visit.page.getByText("Restored: users 2").waitFor(); /* it goes after a moment */
    await countIs("they are in the list again", rowsOf(visit), 25);
    await one.kitbag("login", "amara");
    await until("her settings are back", async () =>
        await one.get("amara", "copy/late") === "from one");
    await inspect(visit, "users were restored");
}

/* Who was deleted is found, and restored, where the deleted are listed. */
async function restoringDeleted({ visit, fleet }) {
    await visit.choose("Delete User Data");
    await visit.box("ben").check();
    await visit.button("Delete").click();
    await visit.button("Yes", visit.dialog("Delete this user's data?")).click();
    await visit.main.getByRole("heading", { name: "Deleted: users 1, user groups 0" }).waitFor();
    await visit.main.getByRole("link", { name: "Deleted", exact: true }).click();
    await visit.main.getByRole("row", { name: "ben" }).first().waitFor();
    await inspect(visit, "who was deleted");
    await visit.button("Restore ben").first().click();
    await visit.button("Yes", visit.dialog("Restore this data?")).click();
    await until("he is back", () => fleet.has("user", "ben"));
}

/* --- the keyboard alone --- */

/* Tab until it has the focus; each place that has it on the way can be seen to have it. */
async function tabTo(visit, locator, key = "Tab") {
    for (let presses = 0; presses < 80; presses++) {
        await visit.page.keyboard.press(key);
        const seen = await visit.page.evaluate(() => {
            const at = document.activeElement;
            const { outlineStyle, outlineWidth, boxShadow } = getComputedStyle(at);
            const marked = (outlineStyle !== "none" && outlineWidth !== "0px") ||
                boxShadow !== "none";
            return at === document.body || marked ? "" : at.outerHTML.slice(0, 200);
        });
        assert.equal(seen, "", `the focus can't be seen on ${seen}`);
        if (await locator.evaluate((node) => node === document.activeElement)) {
            return;
        }
    }
    assert.fail(`${locator} was not reached`);
}

/* Where the focus goes by itself. */
const focusIs = (what, locator) => until(`the focus is ${what}`, () =>
    locator.evaluate((node) => node === document.activeElement));

async function keyboard({ visit, fleet }) {
    const { page } = visit;
    await visit.choose("Portal");
    const enter = () => page.keyboard.press("Enter");
    await tabTo(visit, page.getByRole("link", { name: "Delete User Data", exact: true }),
        "Shift+Tab");
    await enter();
    await visit.heading("Delete User Data");
    await focusIs("on the title of the page", visit.title);
    const search = page.getByLabel("Search: user name or group ID");
    await tabTo(visit, search);
    await page.keyboard.type("carm");
    assert.equal(await search.inputValue(), "carm");
    await countIs("she is found", rowsOf(visit), 1);
    await tabTo(visit, visit.box("carmen"));
    await page.keyboard.press("Space");
    await tabTo(visit, visit.button("Delete"));
    await enter();
    const confirm = visit.dialog("Delete this user's data?");
    await confirm.getByText("carmen").first().waitFor();
    await tabTo(visit, visit.button("Yes", confirm));
    await enter();
    const deleted = visit.main.getByRole("heading", { name: "Deleted: users 1, user groups 0" });
    await deleted.waitFor();
    await focusIs("on what became of it", deleted);
    assert.ok(!await fleet.has("user", "carmen"), "she is still there");
    await tabTo(visit, visit.button("Undo"));
    await enter();
    const restore = visit.dialog("Restore this data?");
    await restore.waitFor();
    await page.keyboard.press("Escape"); /* a slip: nothing happens */
    await restore.waitFor({ state: "hidden" });
    assert.ok(!await fleet.has("user", "carmen"), "Escape was a Yes");
    await focusIs("where it was", visit.button("Undo"));
    await enter();
    await restore.getByText("carmen").first().waitFor();
    await tabTo(visit, visit.button("Yes", restore));
    await enter();
    await until("she is back", () => fleet.has("user", "carmen"));
    await deleted.waitFor({ state: "hidden" });
    await focusIs("on the title, as Undo is no more", visit.title);
}

/* --- an earlier state --- */

async function earlier({ visit, fleet }) {
    const [one, two] = fleet.machines;
    await two.kitbag("login", "amara");
    await one.kitbag("set", "amara", "copy/default", '{"sides":1}');
    await until("the first value is everywhere", async () =>
        await two.get("amara", "copy/default") === '{"sides":1}');
    const before = await fleet.head();
    await one.kitbag("set", "amara", "copy/default", '{"sides":2}');
    await until("the second is", async () =>
        await two.get("amara", "copy/default") === '{"sides":2}');

    await visit.choose("Delete User Data");
    await visit.page.getByLabel("Search: user name or group ID").fill("amara");
    await visit.main.getByRole("link", { name: "amara", exact: true }).click();
    await visit.heading("amara");
    await visit.button("copy/default").waitFor();
    await inspect(visit, "a user");
    await visit.main.getByRole("link", { name: "History", exact: true }).click();
    await visit.button("copy/default").first().waitFor();
    await inspect(visit, "a user's history");
    await visit.main.getByRole("link", { name: "As It Was", exact: true }).click();
    await visit.page.getByLabel("or seq").fill(before);
    await visit.button("Show").click();
    await visit.main.getByRole("row").filter({ hasText: "copy/default" }).waitFor();
    await inspect(visit, "a user as they were");
    await visit.button("Restore to this moment").click();
    const confirm = visit.dialog("Restore all of it to this moment?");
    await confirm.getByText("copy/default").waitFor();
    await inspect(visit, "before restoring a moment");
    await visit.button("Yes", confirm).click();
    await until("the machines have the value of then", async () =>
        await two.get("amara", "copy/default") === '{"sides":1}');
}

export const PEOPLE = [
    ["Prepare synchronization, check status: stop, what waits, start", preparing],
    ["Delete User Data: search, tick, preview, Yes, Undo", deleting],
    ["who was deleted is restored from the list of the deleted", restoringDeleted],
    ["users are deleted and restored with the keyboard alone", keyboard],
    ["a user is restored to an earlier state", earlier],
];
