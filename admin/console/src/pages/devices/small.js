/* small.js - small parts of the pages about machines. */
import { Badge, Definitions, now } from "../../components/small.js";
import { DEVICE_KINDS, deviceName, deviceState, waitsForRight } from "../../device.js";
import { t } from "../../i18n.js";
import { html } from "../../lib.js";

/* The state in a word; one that waits for a right is told to. */
export function DeviceState({ row }) {
    const state = deviceState(row, now.value);
    return html`<${Badge} kind=${DEVICE_KINDS[state]}>${t(`devices.state_${state}`)}<//>${
        waitsForRight(row) && html` <${Badge} kind="info">${t("devices.waits")}<//>`}`;
}

/* A name as it is, whatever is in it. */
export function DeviceName({ row }) {
    return html`<bdi class="owner-name" translate="no">${deviceName(row)}</bdi>`;
}

/* The first of many machines, and how many more there are. */
export function DeviceNames({ rows, max = 8 }) {
    return html`<ul class="names">
        ${rows.slice(0, max).map((row) => html`
            <li key=${row.id}><${DeviceName} row=${row} /></li>`)}
        ${rows.length > max && html`<li class="quiet">
            ${t("devices.more", { count: rows.length - max })}</li>`}
    </ul>`;
}

/* Two things in one cell, the second below the first. */
export function Two({ first, second }) {
    return html`<span class="two"><span>${first}</span>${second &&
        html`<small class="quiet">${second}</small>`}</span>`;
}

export function Points({ texts }) {
    return html`<ul class="effects">${texts.filter(Boolean).map((text) => html`
        <li key=${text}>${text}</li>`)}</ul>`;
}

/* A card with names and values. */
export function Facts({ title, rows }) {
    return html`<section class="card facts"><h2>${title}</h2>
        <${Definitions} rows=${rows} /></section>`;
}
