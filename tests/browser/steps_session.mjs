/* steps_session.mjs - who comes in, how, in which language, and how they leave. */
import assert from "node:assert/strict";

import { catalogue } from "../../admin/console/build.mjs";
import { inspect, sideways, SIZES, Visit } from "./browser.mjs";
import { until } from "./machines.mjs";
import { countIs, rowsOf } from "./page.mjs";

async function signingIn({ visit, fleet }) {
    visit.expect("401 /session");
    await visit.go("/sync");
    await visit.button("Sign In").waitFor();
    await inspect(visit, "signing in");
    visit.expect("401 /session");
    await visit.signIn("admin", "not the password");
    await visit.page.getByRole("alert").getByText("The name or the password is wrong.").waitFor();
    await inspect(visit, "a wrong password");
    await visit.signIn("admin", fleet.password);
    await visit.heading("Synchronize Custom Settings (Server)"); /* where the address led */
    await visit.choose("Portal");
    await visit.main.getByText("Machines and server exchange changes.").waitFor();
    await inspect(visit, "the Portal");
}

/* --- the session ends under way --- */

/* Signing out in one tab ends the session of the other. */
async function expired({ visit, fleet }) {
    const { page } = visit;
    await visit.choose("Delete User Data");
    await page.getByLabel("Search: user name or group ID").fill("ma");
    await visit.box("amara").check();
    let release;
    const released = new Promise((resolve) => {
        release = resolve;
    });
    await page.route("**/status?feed=sse", async (route) => {
        await released; /* the live numbers would notice it before the deletion does */
        await route.continue();
    });
    const other = await visit.open();
    await visit.go("/portal");
    await visit.heading("Portal");
    await visit.button("Sign Out").click();
    await visit.button("Sign In").waitFor();
    await other.close();
    visit.page = page;

    visit.expect("401 /owners/delete");
    await visit.button("Delete").click();
    const dialog = visit.dialog("Your session has ended");
    await dialog.waitFor();
    await inspect(visit, "a session has ended");
    await dialog.getByLabel("Password", { exact: true }).fill(fleet.password);
    await visit.button("Sign In", dialog).click();
    const confirm = visit.dialog("Delete this user's data?");
    await confirm.getByText("amara").first().waitFor(); /* what was asked for goes on */
    await visit.button("No", confirm).click();
    assert.match(page.url(), /#\/user-data\?search=ma$/);
    assert.ok(await visit.box("amara").isChecked(), "the ticks are gone");
    release();
}

/* --- accounts --- */

/* An account for somebody who may look; they choose a password and see no way to delete. */
async function accounts({ visit, fleet, browser }) {
    await visit.choose("Accounts");
    await visit.main.getByRole("rowheader").filter({ hasText: "admin" }).waitFor();
    await inspect(visit, "Accounts");
    await visit.button("Add Account").click();
    const add = visit.dialog("Add an account");
    await add.getByLabel("Name").fill("vera");
    await inspect(visit, "before adding an account");
    await visit.button("Add Account", add).click();
    const shown = visit.dialog("Password of vera");
    const password = (await shown.getByRole("group", { name: "Password" }).locator("code")
        .textContent()).trim();
    await inspect(visit, "a password is shown");
    await visit.button("I have it", shown).click();
    await countIs("she is in the list", rowsOf(visit), 2);

    const vera = await Visit.begin(browser, fleet.address);
    try {
        vera.expect("401 /session");
        await vera.go("/user-data");
        await vera.signIn("vera", password);
        await vera.page.getByRole("heading", { name: "Choose a New Password" }).waitFor();
        await inspect(vera, "choosing a password");
        await vera.page.getByLabel("New password", { exact: true }).fill("violets are blue");
        await vera.page.getByLabel("New password once more").fill("violets are blue");
        await vera.button("Change").click();
        await vera.heading("Delete User Data");
        await vera.main.getByText("You may look.").waitFor();
        await vera.main.getByRole("link", { name: "amara", exact: true }).waitFor();
        assert.equal(await vera.page.getByRole("checkbox").count(), 0, "a viewer may tick");
        await vera.choose("Synchronize Custom Settings (Server)");
        await vera.main.getByText("Operators and administrators may start and stop it.").waitFor();
        assert.equal(await vera.button("Stop").count(), 0, "a viewer may stop it");
        assert.equal(await vera.page.getByRole("link", { name: "Accounts" }).count(), 0);
        await inspect(vera, "what a viewer sees");
        assert.deepEqual(vera.complaints(), []);
    } finally {
        await vera.close();
    }
}

/* --- both languages --- */

/* Each page, and the key of its title. */
const PAGES = [
    ["/portal", "nav.portal"], ["/sync", "nav.sync"],
    ["/user-data", "nav.delete_user_data"], ["/user-data?tab=deleted", "nav.delete_user_data"],
    ["/user-data/user/amara", null], ["/user-data/user/amara?tab=devices", null],
    ["/user-data/user/amara?tab=history", null], ["/user-data/user/amara?tab=past", null],
    ["/user-data/group/print-services", null],
    ["/devices", "nav.confirm_device"], ["/devices?state=all", "nav.confirm_device"],
    ["/join-tokens", "nav.join_tokens"],
    ["/journal", "nav.journal"], ["/journal?tab=reach", "nav.journal"], ["/log", "nav.log"],
    ["/audit", "nav.audit"], ["/accounts", "nav.accounts"],
    ["/accounts?tab=tokens", "nav.accounts"], ["/nowhere", "common.no_page"],
];

/* The texts of the page that are of a language: no names, events or settings. */
function translated() {
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    let words = "";
    while (texts.nextNode()) {
        const { parentElement, data } = texts.currentNode;
        words += parentElement.closest("[translate=no]") ? "" : `${data}\n`;
    }
    return words;
}

/* Everybody sees all of a page in their language: no text is a key that lacks its words, nothing
 * runs out of a small phone's screen. */
async function tour(visit, language) {
    const texts = catalogue(language);
    for (const [place, title] of PAGES) {
        await visit.go(place);
        await visit.heading(title ? texts[title] : place.split(/[/?]/)[3]);
        await until("it is loaded", async () => await visit.main.locator(".loading").count() === 0);
        const words = (await visit.page.evaluate(translated)).match(/\b[a-z_]+\.[a-z_]+\b/g) ?? [];
        assert.deepEqual(words.filter((word) => texts[word]), [], `${place} shows keys`);
        await visit.page.setViewportSize({ width: 360, height: 640 });
        assert.deepEqual(await sideways(visit.page), [], `${place}, 360 px`);
        await visit.page.setViewportSize(SIZES.wide);
        if (language === "ja") {
            await inspect(visit, `${place} in Japanese`);
        }
    }
}

async function english({ visit }) {
    await tour(visit, "en");
    return `${PAGES.length} pages`;
}

async function japanese({ browser, fleet }) {
    const texts = catalogue("ja");
    const taro = await Visit.begin(browser, fleet.address, { locale: "ja-JP" });
    try {
        taro.expect("401 /session");
        await taro.go("/portal");
        await taro.page.getByLabel(texts["sign_in.name"]).fill("admin");
        await taro.page.getByLabel(texts["sign_in.password"], { exact: true })
            .fill(fleet.password);
        await taro.button(texts["sign_in.submit"]).click();
        await taro.heading(texts["nav.portal"]);
        assert.equal(await taro.page.locator("html").getAttribute("lang"), "ja");
        await tour(taro, "ja");
        await taro.go("/sync");
        await taro.button("English").click();
        await taro.heading("Synchronize Custom Settings (Server)");
        await taro.page.reload(); /* the choice is remembered */
        await taro.heading("Synchronize Custom Settings (Server)");
        assert.deepEqual(taro.complaints(), []);
    } catch (error) {
        throw Object.assign(error, { page: taro.page });
    }
    await taro.close();
    return `${PAGES.length} pages`;
}

/* What would be wrong is found: else all that was found to be right proves nothing. */
async function control({ visit }) {
    const { page } = visit;
    await visit.choose("Portal");
    await page.evaluate(() => document.querySelector("main")
        .insertAdjacentHTML("beforeend", "<img src='/nothing.png'><button></button>"));
    await assert.rejects(inspect(visit, "a page with mistakes"), /image-alt[^]*button-name/);
    await page.evaluate(() => document.querySelector("main").insertAdjacentHTML("beforeend",
        "<p style='width: 5000px; color: #eee'>wide</p>"));
    await page.evaluate(() => fetch("https://example.com/").catch(() => {}));
    await until("the browser has told", async () => visit.found.length >= 3);
    const found = visit.complaints().join("\n");
    assert.match(found, /nothing.png/); /* 404 */
    assert.match(found, /style[^]*Content Security Policy/);
    assert.match(found, /connect[^]*Content Security Policy/);
    await page.reload();
    await visit.heading("Portal");
}

/* --- leaving --- */

async function signingOut({ visit, fleet }) {
    const cookies = await visit.context.cookies();
    await visit.choose("Portal");
    await visit.button("Sign Out").click();
    await visit.button("Sign In").waitFor();
    await inspect(visit, "signed out");
    await visit.context.addCookies(cookies); /* somebody kept it */
    const answer = await visit.context.request.get(`${fleet.address}/api/v1/status`);
    assert.equal(answer.status(), 401, "the session goes on at the server");
    await visit.context.clearCookies();
    visit.expect("401 /session");
    await visit.go("/devices");
    await visit.page.reload();
    await visit.button("Sign In").waitFor();
}

export const COMING = [["signing in leads to where one wanted to go", signingIn]];
export const LEAVING = [
    ["accounts: a viewer is added, chooses a password, and may look", accounts],
    ["all pages in English", english],
    ["all pages in Japanese, on a small screen, too", japanese],
    ["what is wrong is found", control],
    ["a session that ended is signed in again where one was", expired],
    ["signing out ends the session on the server", signingOut],
];
