/* steps_exports.mjs - Prepare for User Data Export, Export Address Lists, Export: from ticking
 * people to the files that leave the server. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";

import { inspect } from "./browser.mjs";
import { countIs, rowsOf } from "./page.mjs";

/* The bytes that a click makes the browser save, and the name it saves them under. */
async function saved(visit, click) {
    const [download] = await Promise.all([visit.page.waitForEvent("download"), click()]);
    const bytes = await readFile(await download.path());
    return { name: download.suggestedFilename(), bytes };
}

async function preparing({ visit }) {
    await visit.choose("Prepare for User Data Export");
    await countIs("all are listed", rowsOf(visit), 25);
    await inspect(visit, "Prepare for User Data Export");
    await visit.box("amara").check();
    await visit.box("ben").check();
    await visit.box("print-services").check();
    await visit.button("Update and Export").click();
    const confirm = visit.dialog("Prepare 3 users and groups for export?");
    await confirm.getByText("can be fetched for 15 minutes").waitFor();
    await inspect(visit, "before user data is prepared");
    await visit.button("Yes", confirm).click();
    await visit.main.getByRole("heading", { name: "Ready to be fetched" }).waitFor();
    await visit.main.getByText(/^.*1[45]:\d\d left$/).waitFor();
    await visit.main.getByText("Users 2, user groups 1").waitFor();
    await inspect(visit, "user data is prepared");
}

async function listing({ visit }) {
    await visit.button("To [Export Address Lists] Page").click();
    await visit.main.getByRole("heading", { name: "Personal Address List (All)" }).waitFor();
    await inspect(visit, "Export Address Lists");
    const link = visit.button("Download: Personal Address List (All)");
    const csv = await saved(visit, () => link.click());
    assert.equal(csv.name, "personal-address-lists.csv");
    assert.match(csv.bytes.toString(), /^\ufeffowner,uid,name,kana,mail,fax,telephone,/);
    assert.match(csv.bytes.toString(), /\r\namara,ben,/);
    await visit.main.getByLabel("Format").selectOption("vcard");
    const cards = await saved(visit, () => link.click());
    assert.equal(cards.name, "personal-address-lists.vcf");
    assert.match(cards.bytes.toString(), /^BEGIN:VCARD\r\nVERSION:4\.0\r\n/);
}

async function exporting({ visit, fleet }) {
    await visit.choose("Export");
    await visit.main.getByLabel("Personal Setting Information").waitFor();
    await inspect(visit, "Export");
    await visit.main.getByLabel("Personal Setting Information").uncheck();
    await visit.main.getByLabel("User Group Address List").uncheck();
    assert.ok(await visit.button("Export").isDisabled(), "nothing may be exported");
    await visit.main.getByLabel("Personal Setting Information").check();
    await visit.main.getByLabel("Password (if wished)").fill("correct horse");
    const file = await saved(visit, () => visit.button("Export").click());
    assert.match(file.name, /^export-\d+\.kitbag$/);
    assert.equal(file.bytes.subarray(0, 5).toString(), "KBBAG");
    await visit.main.getByRole("heading", { name: "The file is made" }).waitFor();
    await inspect(visit, "the file is made");
    const [row] = await fleet.ctl("export", "ls");
    assert.deepEqual(row.items, ["personal-settings"]);
    assert.equal(row.password, true);
    assert.equal(row.size, file.bytes.length);
    await fleet.ctl("export", "rm", row.id);
    await visit.page.reload();
    await visit.main.getByText("Nothing is prepared for export now.").waitFor();
    await inspect(visit, "nothing is prepared");
}

export const EXPORTS = [
    ["Prepare for User Data Export: two people and a group, of one moment", preparing],
    ["Export Address Lists: all personal ones, as CSV and as vCards", listing],
    ["Export: personal setting information alone, with a password", exporting],
];
