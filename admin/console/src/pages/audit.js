/* audit.js - who did what in administration, when, from where, to what; and the way back. */
import { CopyCommand } from "../components/copy.js";
import { useList } from "../components/list.js";
import { Page } from "../components/page.js";
import { Choice } from "../components/search.js";
import { Badge, Time } from "../components/small.js";
import { DataTable } from "../components/table.js";
import { TimeField } from "../components/time_field.js";
import { ACTIONS } from "../audit_words.js";
import { command } from "../format.js";
import { t } from "../i18n.js";
import { html, useState } from "../lib.js";
import { place, setQuery } from "../router.js";
import { EventDialog } from "./audit/event_dialog.js";
import { Person } from "./audit/person.js";
import { About, ActionWords, From } from "./audit/small.js";

const PAGE_ROWS = 100;

function columns(open) {
    return [
        { key: "what", title: t("audit.what"), head: true, cell: (row) => html`
            <button class="link audit-what" onClick=${() => open(row)}
                ><${ActionWords} event=${row} /></button>` },
        { key: "about", title: t("audit.about"), cell: (row) => html`<${About} event=${row} />` },
        { key: "who", title: t("audit.who"), cell: (row) => html`<button class="link audit-who"
            translate="no" title=${t("audit.only_who")}
            onClick=${() => setQuery({ actor: row.actor })}>${row.actor || "–"}</button>` },
        { key: "from", title: t("audit.from_where"), cell: (row) => html`<${From}
            event=${row} />` },
        { key: "time", title: t("audit.when"), cell: (row) => html`<${Time} at=${row.time} />` },
    ];
}

/* Groups of actions, and each of them. */
function actionOptions() {
    return [["", t("audit.all")], ...Object.entries(ACTIONS).flatMap(([group, actions]) => [
        [group, t(`audit.group_${group.replace("-", "_")}`)],
        ...(actions.length > 1 ? actions.map((action) => [action,
            `　${t(`audit.name_${action.replace(/[.-]/g, "_")}`)}`]) : []),
    ])];
}

export default function Audit() {
    const { actor = "", action = "", from = "", to = "" } = place.value.query;
    const filter = { actor, action, from, to };
    const list = useList("/audit", "audit", { ...filter, limit: PAGE_ROWS });
    const [open, setOpen] = useState(null);
    const filtered = Object.values(filter).some(Boolean);
    const answer = list.answer;
    return html`<${Page} title=${t("nav.audit")} intro=${t("audit.intro")}
            actions=${html`<button class="outline" disabled=${list.loading}
                onClick=${list.reload}>${t("audit.reload")}</button>`}>
        <div class="toolbar audit-bar">
            <${Person} key=${actor} actor=${actor} rows=${list.rows ?? []} />
            <${Choice} label=${t("audit.action")} value=${action} options=${actionOptions()}
                onChoose=${(value) => setQuery({ action: value })} />
            <${TimeField} label=${t("audit.from")} name="from" />
            <${TimeField} label=${t("audit.to")} name="to" />
        </div>
        ${filtered && html`<p class="audit-filtered"><${Badge} kind="info"
            >${t("audit.filtered")}<//> <button class="link" onClick=${() => setQuery(
            { actor: "", action: "", from: "", to: "" })}>${t("audit.show_all")}</button></p>`}
        <${DataTable} caption=${t("nav.audit")} list=${list} columns=${columns(setOpen)}
            rowKey=${(row) => row.seq}
            empty=${answer?.next ? t("audit.none_yet")
                : filtered ? t("audit.none_found") : t("audit.none")} />
        ${answer?.complete === false && !answer.next && html`<p class="quiet older">
            ${t("audit.not_complete")}</p>`}
        <${CopyCommand} command=${command("kitbagctl", "audit",
            actor ? ["--actor", actor] : null, action ? ["--action", action] : null,
            from ? ["--from", from] : null, to ? ["--to", to] : null)} />
        ${open && html`<${EventDialog} event=${open} onClose=${() => setOpen(null)} />`}
    <//>`;
}
