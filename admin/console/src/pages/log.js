/* log.js - the server's log: by level, searched, followed, taken along as a file. */
import { call } from "../api.js";
import { CopyCommand } from "../components/copy.js";
import {
    LiveBar, LiveNotices, LiveWaiting, Moment, useLiveRows,
} from "../components/live_list.js";
import { Page } from "../components/page.js";
import { wordsOf } from "../components/problem.js";
import { Choice, SearchField, Toolbar } from "../components/search.js";
import { Badge } from "../components/small.js";
import { DataTable } from "../components/table.js";
import { toast } from "../components/toast.js";
import { command } from "../format.js";
import { t } from "../i18n.js";
import { html, useState } from "../lib.js";
import { countTrouble, deviceOf, LEVEL_KINDS, LEVELS, piecesOf } from "../log_lines.js";
import { href, path, place, setQuery } from "../router.js";

const LINES_MAX = 500;

function Piece({ piece }) {
    if (piece.key === undefined) {
        return piece.text;
    }
    const device = deviceOf(piece);
    const value = device
        ? html`<a href=${href(path("/devices/:id", { id: device }))}>${device}</a>` : piece.value;
    return html`<span><span class="quiet">${piece.key}=</span>${value}</span>`;
}

function Text({ row }) {
    return html`<code class="log-text" translate="no" lang="en">${piecesOf(row.text).map(
        (piece, i) => html`<${Piece} key=${i} piece=${piece} />`)}</code>`;
}

const columns = () => [
    { key: "time", title: t("log.time"), cell: (row) => html`<${Moment} at=${row.time} />` },
    { key: "level", title: t("log.level"), cell: (row) => html`
        <${Badge} kind=${LEVEL_KINDS[row.level] ?? "quiet"}>${LEVELS.includes(row.level)
            ? t(`log.level_${row.level}`) : row.level}<//>` },
    { key: "event", title: t("log.event"), head: true, cell: (row) => html`
        <span class="log-event" translate="no" lang="en">${row.event} <span
            class="quiet log-module">${row.module}</span></span>` },
    { key: "text", title: t("log.text"), cell: (row) => html`<${Text} row=${row} />` },
];

/* Fetched here, not linked, so that a session that ended is signed in again first. */
async function save(format, query) {
    const { response } = await call("GET", "/log", { query: { ...query, format }, raw: true });
    const named = /filename="([^"]+)"/.exec(response.headers.get("Content-Disposition") ?? "");
    const link = document.createElement("a");
    link.href = URL.createObjectURL(await response.blob());
    link.download = named?.[1] ?? `kitbag-log.${format === "text" ? "txt" : "json"}`;
    link.click();
    URL.revokeObjectURL(link.href);
}

function Downloads({ query }) {
    const [busy, setBusy] = useState(false);
    const click = async (format) => {
        setBusy(true);
        try {
            await save(format, query);
        } catch (problem) {
            toast(wordsOf(problem).title, { kind: "bad" });
        }
        setBusy(false);
    };
    return html`
        <button class="outline" disabled=${busy} onClick=${() => click("text")}>
            ${t("log.save_text")}</button>
        <button class="outline" disabled=${busy} onClick=${() => click("json")}>
            ${t("log.save_json")}</button>`;
}

/* What needs a look, in a line above the list. */
function Trouble({ rows }) {
    const { errors, warnings } = countTrouble(rows);
    return html`
        ${errors > 0 && html`<${Badge} kind="bad">${t("log.errors", { count: errors })}<//>`}
        ${warnings > 0 && html`<${Badge} kind="warn">${
            t("log.warnings", { count: warnings })}<//>`}`;
}

export default function Log() {
    const { level = "", search = "" } = place.value.query;
    const query = { level, search };
    const live = useLiveRows("/log", {
        event: "log", key: JSON.stringify(query), room: LINES_MAX,
        ask: (since) => ({ query: { ...query, ...(since ? { since } : { limit: LINES_MAX }) } }),
    });
    const filtered = Boolean(level || search);
    return html`<${Page} title=${t("nav.log")} intro=${t("log.intro")}
            actions=${html`<${Downloads} query=${query} />`}>
        <${Toolbar}>
            <${SearchField} label=${t("log.search")} value=${search} help=${t("log.search_help")}
                onSearch=${(text) => setQuery({ search: text })} />
            <${Choice} label=${t("log.least")} value=${level}
                options=${[["", t("log.all")], ...LEVELS.slice(1).map(
                    (one) => [one, t(`log.least_${one}`)])]}
                onChoose=${(value) => setQuery({ level: value })} />
        <//>
        <${LiveNotices} live=${live} />
        <${LiveBar} live=${live}><${Trouble} rows=${live.rows} /><//>
        <div class="log-lines">${live.settled || live.rows.length > 0
            ? html`<${DataTable} caption=${t("nav.log")} list=${{ rows: live.rows }}
                columns=${columns()} rowKey=${(row) => row.id}
                rowClass=${(row) => `log-${row.level}`}
                empty=${filtered ? t("log.none_found") : t("log.none")} />`
            : html`<${LiveWaiting} live=${live} />`}</div>
        ${live.rows.length >= LINES_MAX && html`<p class="quiet older">
            ${t("log.full", { max: LINES_MAX })}</p>`}
        <${CopyCommand} command=${command("kitbagctl", "log", "--follow", "--lines", LINES_MAX,
            level ? ["--level", level] : null, search ? ["--search", search] : null)} />
    <//>`;
}
