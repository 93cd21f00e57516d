/* history.js - who changed what of somebody, where and when; any of it can be taken back. */
import { CopyCommand } from "../../components/copy.js";
import { Dialog } from "../../components/dialog.js";
import { useList } from "../../components/list.js";
import { Toolbar } from "../../components/search.js";
import { Badge, Definitions, Seq, Time } from "../../components/small.js";
import { DataTable } from "../../components/table.js";
import { TimeField } from "../../components/time_field.js";
import { command, seq as seqText } from "../../format.js";
import { t, tx } from "../../i18n.js";
import { html, useState } from "../../lib.js";
import { ownerPath } from "../../owner.js";
import { href, path, place, setQuery } from "../../router.js";
import { can } from "../../session.js";
import { valueOf } from "../../value_view.js";
import { restoreOwners } from "../user_data/restore.js";
import { ValueChange, ValueLine } from "./value.js";
import { Writer } from "./writer.js";

const PAGE_ROWS = 100;

const KINDS = {
    "item.set": "set", "item.remove": "remove", "bag.create": "create", "bag.delete": "delete",
};

/* What a change did, in a word: an item that was not there before was added. */
function deed(row) {
    const kind = KINDS[row.kind] ?? "other";
    return kind === "set" && row.old_size === undefined ? "add" : kind;
}

const isItem = (row) => row.item !== undefined;

/* The values of a row; of a removal the old one alone. */
function valuesOf(row) {
    const after = row.kind === "item.remove" ? { kind: "absent" } : valueOf(row);
    const before = row.old_size === undefined ? { kind: "absent" } : valueOf(row, "old_");
    return { before, after };
}

function What({ row }) {
    const what = deed(row);
    return html`<span class="change change-${what}">${
        what === "other" ? row.kind : t(`owner.deed_${what}`)}</span>`;
}

function Values({ row }) {
    if (!isItem(row)) {
        return null;
    }
    const { before, after } = valuesOf(row);
    return html`<div class="value-change">
        ${before.kind !== "absent" && html`<del><span class="hidden">${t("owner.old_value")}: </span
            ><${ValueLine} value=${before} /></del>`}
        ${after.kind !== "absent" && html`<ins><span class="hidden">${t("owner.new_value")}: </span
            ><${ValueLine} value=${after} /></ins>`}</div>`;
}

function columns(open) {
    return [
        { key: "item", title: t("owner.item"), head: true, cell: (row) => (isItem(row)
            ? html`<button class="link item-path" translate="no"
                onClick=${() => open(row)}>${row.item}</button>`
            : html`<span class="quiet">${t("owner.all_of_it")}</span>`) },
        { key: "what", title: t("owner.what"), cell: (row) => html`<${What} row=${row} />${
            row.conflict && html` <${Badge} kind="warn">${t("owner.conflict")}<//>`}` },
        { key: "values", title: t("owner.values"), cell: (row) => html`<${Values} row=${row} />` },
        { key: "time", title: t("owner.when"), cell: (row) => html`<${Time} at=${row.time} />` },
        { key: "who", title: t("owner.where"), cell: (row) => html`<${Writer} row=${row} />` },
        { key: "seq", title: t("owner.seq"), num: true,
            cell: (row) => html`<button class="link" onClick=${() => open(row)}
                aria-label=${t("owner.open_change", { seq: seqText(row.seq) })}
                ><${Seq} value=${row.seq} /></button>` },
    ];
}

/* --- one change --- */

function Actions({ kind, name, row, device, close, onChange }) {
    const restore = async (at, items, title) => {
        close();
        if (await restoreOwners([{ kind, name }], { at, items, title })) {
            onChange?.();
        }
    };
    const past = href(path("/user-data/:kind/:name", { kind, name }), { tab: "past", at: row.seq });
    const may = can("operator") && !device;
    return html`<footer>
        ${!device && row.kind !== "bag.delete" && html`<a role="button" class="secondary outline"
            href=${past} onClick=${close}>${t("owner.as_it_was_then")}</a>`}
        ${may && isItem(row) && row.old_seq !== undefined && html`<button class="outline"
            onClick=${() => restore(row.old_seq, [row.item], t("owner.bring_back"))}>
            ${t("owner.restore_old")}</button>`}
        ${may && row.kind === "item.set" && html`<button class="outline"
            onClick=${() => restore(row.seq, [row.item], t("owner.bring_back"))}>
            ${t("owner.restore_new")}</button>`}
        <button class="secondary outline" onClick=${close}>${t("common.close")}</button>
    </footer>`;
}

function ChangeDialog({ kind, name, device, row, onClose, onChange, gone }) {
    const values = isItem(row) && valuesOf(row);
    const secret = isItem(row) && row.masked;
    return html`<${Dialog} wide title=${tx("owner.change", { seq: seqText(row.seq) })}
            onClose=${onClose}>
        <${Definitions} rows=${[
            [t("owner.what"), html`<${What} row=${row} />`],
            isItem(row) && [t("owner.item"), html`<code translate="no">${row.item}</code>`],
            [t("owner.when"), html`<${Time} at=${row.time} both />`],
            [t("owner.where"), html`<${Writer} row=${row} />${row.origin &&
                html` <span class="quiet num" translate="no">${row.origin}</span>`}`],
            row.old_seq && [t("owner.replaced"), html`<${Seq} value=${row.old_seq} />`],
        ]} />
        ${row.conflict && html`<div class="notice warn"><p><${Badge} kind="warn"
            >${t("owner.conflict")}<//> ${t("owner.conflict_loser")}</p></div>`}
        ${secret ? html`<div class="notice"><p>${t("owner.secret_text")}</p></div>`
            : values && html`<${ValueChange} ...${values} label=${t("owner.values")} />`}
        ${gone ? html`<footer><button class="secondary outline" onClick=${onClose}>
                ${t("common.close")}</button></footer>`
            : html`<${Actions} ...${{ kind, name, row, device, onChange }} close=${onClose} />`}
    <//>`;
}

/* --- all of it --- */

function Filter({ item, device }) {
    return html`<${Toolbar}>
        <${TimeField} label=${t("owner.from")} name="from" />
        <${TimeField} label=${t("owner.to")} name="to" />
        ${item && html`<p class="filter-item">${tx("owner.only_item",
            { item: html`<code translate="no">${item}</code>` })}
            <button class="small outline" onClick=${() => setQuery({ item: "" })}>
                ${t("owner.all_items")}</button></p>`}
        ${device && html`<p class="filter-item">${tx("owner.only_machine",
            { machine: html`<${Writer} row=${{ origin: device }} />` })}
            <button class="small outline" onClick=${() => setQuery({ device: "" })}>
                ${t("owner.shared_items")}</button></p>`}
    <//>`;
}

export function History({ kind, name, onChange, gone }) {
    const { item, device, from, to } = place.value.query;
    const list = useList(ownerPath(kind, name, "/history"), "changes",
        { item, device, from, to, values: 1, limit: PAGE_ROWS });
    const [open, setOpen] = useState(null);
    const changed = () => {
        list.reload();
        onChange?.();
    };
    const answer = list.answer;
    return html`
        <${Filter} item=${item} device=${device} />
        <${DataTable} caption=${t("owner.tab_history")} list=${list} columns=${columns(setOpen)}
            rowKey=${(row) => row.seq} empty=${t("owner.no_change")} />
        ${answer?.complete === false && !answer.next && html`<p class="quiet">
            ${t("owner.not_complete", { seq: seqText(answer.oldest) })}</p>`}
        ${open && html`<${ChangeDialog} ...${{ kind, name, device, gone }} row=${open}
            onClose=${() => setOpen(null)} onChange=${changed} />`}
        <${CopyCommand} command=${command("kitbagctl", kind, "history", name, item ?? null,
            "--values", from ? ["--from", from] : null, to ? ["--to", to] : null,
            device ? ["--device", device] : null)} />`;
}

