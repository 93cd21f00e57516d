/* journal.js - the journal: changes as they are made, older ones, and how far it reaches. */
import { Page } from "../components/page.js";
import { Tabs } from "../components/small.js";
import { t } from "../i18n.js";
import { html } from "../lib.js";
import { href, place } from "../router.js";
import { Changes } from "./journal/changes.js";
import { Reach } from "./journal/reach.js";

export default function Journal() {
    const reach = place.value.query.tab === "reach";
    return html`<${Page} title=${t("nav.journal")}
            intro=${reach ? t("journal.intro_reach") : t("journal.intro")}>
        <${Tabs} label=${t("journal.tabs")} items=${[
            { href: href("/journal"), text: t("journal.changes"), current: !reach },
            { href: href("/journal", { tab: "reach" }), text: t("journal.reach"), current: reach },
        ]} />
        ${reach ? html`<${Reach} />` : html`<${Changes} />`}
    <//>`;
}
