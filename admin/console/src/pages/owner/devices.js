/* devices.js - what a user has on single machines alone. */
import { Choice, Toolbar } from "../../components/search.js";
import { t } from "../../i18n.js";
import { html } from "../../lib.js";
import { setQuery } from "../../router.js";
import { Items } from "./items.js";
import { machineName, Writer } from "./writer.js";

export function DeviceItems({ kind, name, owner, device, onChange }) {
    const bags = owner.device_bags;
    if (bags.length === 0) {
        return html`<div class="table-box">
            <p class="empty">${t("owner.no_device_items")}</p></div>`;
    }
    const shown = bags.some((bag) => bag.device === device) ? device : bags[0].device;
    return html`
        <p class="quiet">${t("owner.device_items_text")}</p>
        ${bags.length === 1
            ? html`<p><strong><${Writer} row=${{ origin: shown }} /></strong></p>`
            : html`<${Toolbar}><${DeviceChoice} bags=${bags} device=${shown} /><//>`}
        <${Items} key=${shown} kind=${kind} name=${name} device=${shown} onChange=${onChange} />`;
}

function DeviceChoice({ bags, device }) {
    return html`<${Choice} label=${t("owner.on_machine")} value=${device}
        options=${bags.map((bag) => [bag.device,
            `${machineName(bag.device) || bag.device} · ${
                t("owner.count_items", { count: bag.items })}`])}
        onChoose=${(value) => setQuery({ device: value })} />`;
}
