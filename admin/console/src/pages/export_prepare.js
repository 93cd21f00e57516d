/* export_prepare.js - Prepare for User Data Export: whose data, then Update and Export. */
import { api } from "../api.js";
import { confirmAction } from "../components/confirm.js";
import { CopyCommand } from "../components/copy.js";
import { useDocument, useList, useSelection } from "../components/list.js";
import { Page } from "../components/page.js";
import { Badge, Bytes, Num } from "../components/small.js";
import { DataTable, TickedBar } from "../components/table.js";
import { chosen, prepareCommand } from "../exports.js";
import { t } from "../i18n.js";
import { html, useLayoutEffect, useRef, useState } from "../lib.js";
import { status } from "../live.js";
import { keyOf, namesOf } from "../owner.js";
import { href, place } from "../router.js";
import { can } from "../session.js";
import { Countdown, Facts, SnapshotFacts } from "./exports/prepared.js";
import { Search } from "./user_data/search.js";
import { Names, OwnerName } from "./user_data/small.js";

const PAGE_ROWS = 100;
const USUAL = { users: 500, groups: 50, keep_ms: 900000 };

const columns = () => [
    {
        key: "name", title: t("user_data.name"), head: true,
        cell: (row) => html`<${OwnerName} name=${row.name} />`,
    },
    { key: "kind", title: t("user_data.kind"), cell: (row) => t(`user_data.kind_${row.kind}`) },
    { key: "items", title: t("user_data.items"), num: true,
        cell: (row) => html`<${Num} value=${row.items} />` },
    { key: "bytes", title: t("user_data.bytes"), num: true,
        cell: (row) => html`<${Bytes} value=${row.bytes} />` },
];

function describe(rows, limits) {
    return html`
        ${rows ? html`<${Names} rows=${rows} />` : html`<p>${t("exports.everybody")}</p>`}
        <p>${t("exports.will", { count: Math.round(limits.keep_ms / 60000) })}</p>
        <p class="quiet">${t("exports.goes_on")}</p>`;
}

/* null: it was not done. */
function prepare(rows, limits) {
    const body = rows ? namesOf(rows) : { all: true };
    const connected = status.value?.devices?.connected;
    return confirmAction({
        title: rows ? t("exports.prepare_title", { count: rows.length })
            : t("exports.prepare_all_title"),
        describe: () => html`${describe(rows, limits)}
            ${connected > 0 && html`<p class="quiet">${t("exports.asks")}</p>`}`,
        run: () => api.post("/exports", body),
        command: () => prepareCommand(rows ?? [], !rows),
    });
}

/* It is above the list, which may be long: the reader is taken there. */
function Result({ one, onOver }) {
    const title = useRef(null);
    useLayoutEffect(() => title.current.focus(), []);
    return html`<section class="card" aria-labelledby="export-ready">
        <h2 id="export-ready" ref=${title} tabindex="-1">${t("exports.ready")}</h2>
        <${Countdown} left_ms=${one.left_ms} onOver=${onOver} />
        <${Facts} one=${one} />
        <${SnapshotFacts} one=${one} />
        <p class="form-foot">
            <a role="button" class="outline" href=${href("/export-addresses", { id: one.id })}
                >${t("exports.to_addresses")}</a>
            <a role="button" class="outline" href=${href("/export", { id: one.id })}
                >${t("exports.to_export")}</a>
        </p>
    </section>`;
}

function Listing({ ticked, onAll }) {
    const { search = "", kind = "" } = place.value.query;
    const list = useList("/owners", "owners", { search, kind, limit: PAGE_ROWS });
    return html`
        <${Search} help=${t("user_data.search_help")}>
            <button class="outline" onClick=${onAll}>${t("exports.update_all")}</button><//>
        <${DataTable} caption=${t("user_data.registered")} list=${list} columns=${columns()}
            selection=${ticked} rowKey=${keyOf} rowName=${(row) => row.name}
            empty=${search || kind ? t("user_data.none_found") : t("user_data.none")} />`;
}

function Choosing() {
    const limits = useDocument("/exports").data?.limits ?? USUAL;
    const ticked = useSelection({ max: limits.users + limits.groups });
    const [result, setResult] = useState(null);
    const { over } = chosen(ticked.rows, limits);
    const act = async (rows) => {
        const done = await prepare(rows, limits);
        if (done) {
            ticked.clear();
            setResult(done.value);
        }
    };
    return html`
        ${result && html`<${Result} key=${result.id} one=${result}
            onOver=${() => setResult(null)} />`}
        <${Listing} ticked=${ticked} onAll=${() => act(null)} />
        ${over && html`<p class="notice warn" role="status">
            ${t(`exports.over_${over}`, { max: limits[over] })}</p>`}
        <${TickedBar} selection=${ticked}>
            <button disabled=${over !== ""} onClick=${() => act(ticked.rows)}
                >${t("exports.update")}</button><//>
        <${CopyCommand} command=${prepareCommand(ticked.rows, ticked.size === 0)} />`;
}

export default function ExportPrepare() {
    return html`<${Page} title=${t("nav.export_prepare")} intro=${t("exports.intro_prepare")}>
        ${can("operator") ? html`<${Choosing} />` : html`<p class="quiet"><${Badge} kind="quiet"
            >${t("exports.viewer")}<//></p>`}
    <//>`;
}
