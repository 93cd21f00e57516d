/* writer.js - who wrote something, and where: a machine, or an administrator. */
import { api } from "../../api.js";
import { t } from "../../i18n.js";
import { html, signal } from "../../lib.js";
import { href, path } from "../../router.js";
import { hasPage } from "../../routes.js";

/* Names of machines by their IDs, asked for once each; "" when none is known. */
const names = signal({});
const asked = new Set();

/* "" until it is known; what is drawn with it is drawn again then. */
export function machineName(id) {
    if (!asked.has(id)) {
        asked.add(id);
        api.get(`/devices/${encodeURIComponent(id)}`).then(
            (device) => {
                names.value = { ...names.value, [id]: device.name };
            },
            (problem) => problem.status !== 404 && asked.delete(id));
    }
    return names.value[id] ?? "";
}

/* <${Writer} row=${{origin, device, actor}} />: `origin` is the machine's ID, `device` its name
 * when it is told, `actor` the account of an administrator. */
export function Writer({ row }) {
    const { origin, actor } = row;
    if (!origin) {
        return html`<span class="writer" translate=${actor ? "no" : null}>${
            actor || t("owner.administrator")}</span>`;
    }
    const name = html`<bdi class="writer" translate="no">${
        row.device || machineName(origin) || origin}</bdi>`;
    return hasPage("/devices")
        ? html`<a href=${href(path("/devices/:id", { id: origin }))}>${name}</a>` : name;
}
