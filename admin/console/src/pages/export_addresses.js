/* export_addresses.js - Export Address Lists: all personal ones, or those of all user groups. */
import { CopyCommand } from "../components/copy.js";
import { Page } from "../components/page.js";
import { Badge, Field } from "../components/small.js";
import { FORMATS, listAddress, listCommand } from "../exports.js";
import { t } from "../i18n.js";
import { html, useState } from "../lib.js";
import { can } from "../session.js";
import { Facts, Prepared } from "./exports/prepared.js";

function List({ one, kind, format }) {
    return html`<section class="card">
        <h2>${t(`exports.list_${kind}`)}</h2>
        <p>${t("exports.addresses", { count: one.addresses[kind] })}</p>
        <p><a role="button" class="outline" download href=${listAddress(one.id, kind, format)}
            aria-label=${t("exports.download_named", { name: t(`exports.list_${kind}`) })}
            >${t("exports.download")}</a></p>
        <${CopyCommand} command=${listCommand(one.id, kind, format)} />
    </section>`;
}

function Lists({ one }) {
    const [format, setFormat] = useState("csv");
    if (one.since_device) {
        return html`<p class="notice">${t("exports.no_lists")}</p>`;
    }
    return html`
        <${Facts} one=${one} />
        <${Field} label=${t("exports.format")} help=${t(`exports.about_${format}`)}>${(a) => html`
            <select ...${a} value=${format} onChange=${(event) => setFormat(event.target.value)}>
                ${FORMATS.map((name) => html`<option key=${name} value=${name}
                    selected=${name === format}>${t(`exports.format_${name}`)}</option>`)}
            </select>`}<//>
        <div class="cards">
            <${List} one=${one} kind="personal" format=${format} />
            <${List} one=${one} kind="group" format=${format} />
        </div>`;
}

export default function ExportAddresses() {
    return html`<${Page} title=${t("nav.export_addresses")} intro=${t("exports.intro_addresses")}>
        ${can("operator") ? html`<${Prepared}>${(one) => html`<${Lists} one=${one} />`}<//>`
            : html`<p class="quiet"><${Badge} kind="quiet">${t("exports.viewer")}<//></p>`}
    <//>`;
}
