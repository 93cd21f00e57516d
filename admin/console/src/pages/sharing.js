/* sharing.js - Data Sharing Details: what is shared across all devices, and what is not. */
import { CopyCommand } from "../components/copy.js";
import { useDocument } from "../components/list.js";
import { Page } from "../components/page.js";
import { ProblemView } from "../components/problem.js";
import { Loading, Time } from "../components/small.js";
import { DataTable } from "../components/table.js";
import { command } from "../format.js";
import { lang, t, tx } from "../i18n.js";
import { html, useState } from "../lib.js";
import { can } from "../session.js";
import { categoryTitle, changesOf, CHOICES } from "../sharing.js";
import { Category, changeSharing, takeBack } from "./sharing/change.js";

/* Who chose it, and when. */
function Since({ row }) {
    return row.since && html`<small class="quiet">${tx("sharing.since", {
        by: html`<bdi translate="no">${row.by}</bdi>`, when: html`<${Time} at=${row.since} />`,
    })}${row.copy && html` · ${t("sharing.copied")}`}</small>`;
}

function Choices({ row, value, set }) {
    return html`<fieldset class="sharing-row" disabled=${!can("admin")}>
        <legend><${Category} row=${row} /></legend>
        ${CHOICES.map((one) => html`<label key=${one}><input type="radio"
            name=${`sharing-${row.path}`} value=${one} checked=${value === one}
            onChange=${() => set(one)} /> ${t(`sharing.${one}`)}</label>`)}
        <${Since} row=${row} />
    </fieldset>`;
}

function Details({ rows, reload }) {
    const [chosen, setChosen] = useState({});
    const changes = changesOf(rows, chosen);
    const count = Object.keys(changes).length;
    const ok = async (event) => {
        event.preventDefault();
        if (count > 0 && await changeSharing(changes)) {
            setChosen({});
            reload();
        }
    };
    return html`<form class="card sharing" onSubmit=${ok}>
        ${rows.map((row) => html`<${Choices} key=${row.path} row=${row}
            value=${chosen[row.path] ?? row.sharing}
            set=${(value) => setChosen({ ...chosen, [row.path]: value })} />`)}
        ${can("admin")
            ? html`<div class="form-foot">
                <span class="quiet" role="status">${count > 0
                    ? t("sharing.chosen", { count }) : ""}</span>
                <button type="button" class="secondary outline" disabled=${count === 0}
                    onClick=${() => setChosen({})}>${t("sharing.reset")}</button>
                <button disabled=${count === 0}>${t("sharing.ok")}</button>
            </div>`
            : html`<p class="quiet">${t("sharing.viewer")}</p>`}
    </form>`;
}

/* "Default settings: copy: Device-Specific (Not Shared)" */
function Changes({ set, rows }) {
    const row = (path) => rows.find((one) => one.path === path) ?? { path };
    return html`<ul class="category-effects">${Object.entries(set.changes).map(([path, value]) =>
        html`<li key=${path}>${tx("sharing.change", {
            category: html`<${Category} row=${row(path)} />`,
            choice: html`<strong>${t(`sharing.${value}`)}</strong>`,
        })}</li>`)}</ul>`;
}

function Until({ set }) {
    return set.refused
        ? html`<span class="quiet">${tx("sharing.refused", {
            reason: html`<span lang="en">${set.refused}</span>` })}</span>`
        : set.until ? html`<${Time} at=${set.until} both />` : t("sharing.always_possible");
}

function TakeBack({ sets, rows, reload }) {
    const back = async (set) => (await takeBack(set.seq)) && reload();
    const columns = [
        { key: "changes", title: t("sharing.what"), head: true,
            cell: (set) => html`<${Changes} set=${set} rows=${rows} />` },
        { key: "time", title: t("sharing.time"), cell: (set) => html`<span>${tx("sharing.by", {
            by: html`<bdi translate="no">${set.by}</bdi>`, when: html`<${Time} at=${set.time} />`,
        })}</span>` },
        { key: "until", title: t("sharing.until"), cell: (set) => html`<${Until} set=${set} />` },
        ...(can("admin") ? [{ key: "back", title: t("sharing.take_back"), cell: (set) => html`
            <button class="small danger outline take-back" disabled=${set.refused !== null}
                onClick=${() => back(set)}>${t("sharing.take_back")}</button>` }] : []),
    ];
    return html`<section class="card"><h2>${t("sharing.undo_title")}</h2>
        <${DataTable} caption=${t("sharing.undo_title")} list=${{ rows: sets }} columns=${columns}
            rowKey=${(set) => set.seq} empty=${t("sharing.undo_none")} /></section>`;
}

/* What has no setting. */
function Always() {
    const { data } = useDocument("/categories");
    const rows = data?.categories.filter((row) => !row.flag) ?? [];
    return rows.length > 0 && html`<section class="card"><h2>${t("sharing.always_title")}</h2>
        <p class="quiet">${t("sharing.always_text")}</p>
        <ul class="names">${rows.map((row) => html`<li key=${row.path} title=${row.path}>
            ${categoryTitle(row, lang.value)}</li>`)}</ul></section>`;
}

export default function Sharing() {
    const { data, problem, reload } = useDocument("/sharing");
    if (!data) {
        return html`<${Page} title=${t("nav.sharing")}>
            ${problem ? html`<${ProblemView} problem=${problem} retry=${reload} />`
                : html`<${Loading} />`}<//>`;
    }
    return html`<${Page} title=${t("nav.sharing")} intro=${t("sharing.intro")}>
        <${ProblemView} problem=${problem} retry=${reload} />
        ${data.sharing.length > 0
            ? html`<${Details} rows=${data.sharing} reload=${reload} />`
            : html`<p class="notice">${t("sharing.none")}</p>`}
        <${TakeBack} sets=${data.undo} rows=${data.sharing} reload=${reload} />
        <${Always} />
        <${CopyCommand} command=${command("kitbagctl", "sharing", "ls")} />
    <//>`;
}
