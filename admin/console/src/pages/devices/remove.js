/* remove.js - stopping machines: what it means for them, doing it, what became of it. */
import { api, Problem } from "../../api.js";
import { confirmAction } from "../../components/confirm.js";
import { deviceName } from "../../device.js";
import { command } from "../../format.js";
import { t } from "../../i18n.js";
import { html, useLayoutEffect, useRef } from "../../lib.js";
import { href, path } from "../../router.js";
import { DeviceName, DeviceNames, Points } from "./small.js";

export const TICKED_MAX = 1000;

const ASKED_MAX = 50; /* more than these are told of as the list knew them */

let results = 0;

/* None of them is registered any more: that is an answer, and no failure. */
async function ask(rows, members, options) {
    const ids = rows.map((row) => row.id);
    try {
        return await api.post("/devices/delete", { ids, ...members }, options);
    } catch (problem) {
        if (problem.status !== 404) {
            throw problem;
        }
        return { devices: 0, seq: null, missing: ids, failed: [] };
    }
}

/* The machines as they are now: connected or not, with writes that wait or without. */
function asTheyAre(rows, signal) {
    return Promise.all(rows.map((row, i) => (i < ASKED_MAX
        ? api.get(`/devices/${row.id}`, { signal }).catch((problem) => {
            if (problem.status === 404) {
                return row;
            }
            throw problem;
        }) : row)));
}

async function preview(rows, signal) {
    const [answer, current] = await Promise.all([
        ask(rows, { dry_run: true }, { signal }), asTheyAre(rows, signal)]);
    if (answer.missing.length === rows.length) {
        throw new Problem(404, { code: "devices_gone" }); /* there is nothing to say Yes to */
    }
    const gone = new Set(answer.missing);
    return { ...answer, gone: current.filter((row) => gone.has(row.id)),
        left: current.filter((row) => !gone.has(row.id)) };
}

function Preview({ found }) {
    const { left, gone } = found;
    const connected = left.filter((row) => row.connected).length;
    const unsent = left.filter((row) => row.waiting > 0).length;
    return html`
        ${gone.length > 0 && html`<div class="notice warn">
            <p><strong>${t("devices.missing", { count: gone.length })}</strong></p>
            <${DeviceNames} rows=${gone} /></div>`}
        <${DeviceNames} rows=${left} />
        <h3>${t("devices.will_happen")}</h3>
        <${Points} texts=${[
            connected > 0 ? t("devices.effect_connected", { count: connected })
                : t("devices.effect_away"),
            unsent > 0 && t("devices.effect_unsent", { count: unsent }),
            t("devices.effect_keeps"), t("devices.effect_server"),
        ]} />
        <${DeviceFailures} rows=${left} failed=${found.failed} />`;
}

/* Ask, and remove. Resolves to what RemoveResult shows, or null: nothing was done. */
export async function removeDevices(rows) {
    const name = rows.length === 1 ? deviceName(rows[0]) : "";
    const done = await confirmAction({
        title: name ? t("devices.remove_one", { name })
            : t("devices.remove_title", { count: rows.length }),
        preview: (_, signal) => preview(rows, signal),
        describe: (found) => html`<${Preview} found=${found} />`,
        undo: t("devices.remove_undo"),
        danger: true,
        run: () => ask(rows, {}),
        command: () => command("kitbagctl", "device", "rm", rows.map((row) => row.id)),
    });
    return done && { key: ++results, rows, answer: done.value };
}

/* What should have been done and was not, each with its reason. */
function DeviceFailures({ rows, failed }) {
    const row = (id) => rows.find((one) => one.id === id) ?? { id };
    return failed.length > 0 && html`<div class="failures">
        <p><strong>${t("devices.failed", { count: failed.length })}</strong></p>
        <ul>${failed.slice(0, 50).map((one) => html`<li key=${one.id}>
            <${DeviceName} row=${row(one.id)} />: <span lang="en">${one.reason}</span>${" "}<code
                >${one.code}</code></li>`)}
            ${failed.length > 50 && html`<li class="quiet">
                ${t("devices.more", { count: failed.length - 50 })}</li>`}</ul>
    </div>`;
}

/* What became of it. */
export function RemoveResult({ result, onClose }) {
    const { rows, answer } = result;
    const head = useRef(null);
    const failed = new Set(answer.failed.map((one) => one.id));
    const missing = new Set(answer.missing);
    const removed = rows.filter((row) => !failed.has(row.id) && !missing.has(row.id));
    useLayoutEffect(() => head.current?.focus(), []);
    const well = answer.failed.length === 0 && removed.length > 0;
    return html`<section class="notice ${well ? "" : "warn"} result" role="status">
        <h2 ref=${head} tabindex="-1">${removed.length > 0
            ? t("devices.removed", { count: removed.length }) : t("devices.nothing_removed")}</h2>
        ${removed.length > 0 && html`<${DeviceNames} rows=${removed} />
            <p>${t("devices.removed_text", { count: removed.length })}</p>`}
        ${missing.size > 0 && html`
            <p><strong>${t("devices.missing", { count: missing.size })}</strong></p>
            <${DeviceNames} rows=${rows.filter((row) => missing.has(row.id))} />`}
        <${DeviceFailures} rows=${rows} failed=${answer.failed} />
        <div class="result-foot">
            ${removed.length === 1 && html`<a href=${href(path("/devices/:id", removed[0]))}>
                ${t("devices.to_removed")}</a>`}
            <a href=${href("/devices", { state: "removed" })}>${t("devices.to_all_removed")}</a>
            <a href=${href("/join-tokens")}>${t("nav.join_tokens")}</a>
            <button class="secondary outline" onClick=${onClose}>${t("common.close")}</button>
        </div>
    </section>`;
}
