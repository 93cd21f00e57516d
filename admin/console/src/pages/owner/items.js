/* items.js - the items of somebody, or of somebody on one machine: looking, editing, removing. */
import { api, call } from "../../api.js";
import { confirmAction } from "../../components/confirm.js";
import { CopyCommand } from "../../components/copy.js";
import { useList } from "../../components/list.js";
import { SearchField, Toolbar } from "../../components/search.js";
import { Badge, Bytes, Seq, Time } from "../../components/small.js";
import { DataTable } from "../../components/table.js";
import { toast } from "../../components/toast.js";
import { command } from "../../format.js";
import { t, tx } from "../../i18n.js";
import { html, useState } from "../../lib.js";
import { isReserved, itemPath, ownerPath } from "../../owner.js";
import { href, path, place, setQuery } from "../../router.js";
import { can } from "../../session.js";
import { valueOf } from "../../value_view.js";
import { restoreOwners } from "../user_data/restore.js";
import { ItemDialog } from "./edit.js";
import { ValueBlock, ValueLine } from "./value.js";
import { Writer } from "./writer.js";

const PAGE_ROWS = 200;

/* Where its history is. */
export const historyOf = (kind, name, item, device) =>
    href(path("/user-data/:kind/:name", { kind, name }), { tab: "history", item, device });

function Marks({ row }) {
    return html`${row.conflict && html` <${Badge} kind="warn">${t("owner.conflict")}<//>`}${
        row.masked && html` <${Badge} kind="quiet">${t("owner.secret")}<//>`}${
        isReserved(row.item) && html` <${Badge} kind="quiet">${t("owner.reserved")}<//>`}`;
}

/* The columns that a list of items has, whether of now or of a moment. */
export function itemColumns({ open, kind, name, device }) {
    return [
        { key: "item", title: t("owner.item"), head: true, cell: (row) => html`
            ${open ? html`<button class="link item-path" translate="no"
                onClick=${() => open(row)}>${row.item}</button>`
                : html`<span class="item-path" translate="no">${row.item}</span>`}<${Marks}
                row=${row} />` },
        { key: "value", title: t("owner.value"),
            cell: (row) => html`<${ValueLine} value=${valueOf(row)} />` },
        { key: "size", title: t("owner.size"), num: true, wide: true,
            cell: (row) => html`<${Bytes} value=${row.size} />` },
        { key: "time", title: t("owner.when"), cell: (row) => html`<${Time} at=${row.time} />` },
        { key: "origin", title: t("owner.where"),
            cell: (row) => html`<${Writer} row=${row} />` },
        { key: "seq", title: t("owner.seq"), num: true, wide: true,
            cell: (row) => html`<a href=${historyOf(kind, name, row.item, device)}
                ><${Seq} value=${row.seq} /><span class="hidden"> ${
                    t("owner.history_of", { item: row.item })}</span></a>` },
    ];
}

/* Ask, and remove one item. Resolves to whether it was done. */
export async function removeItem({ kind, name, device, row }) {
    const where = itemPath(kind, name, row.item);
    const options = { query: { device }, headers: { "If-Match": `"${row.seq}"` } };
    const done = await confirmAction({
        title: t("owner.remove_title"),
        preview: (_, signal) => api.delete(where, { ...options, signal,
            query: { device, dry_run: 1 } }),
        describe: () => html`
            <p>${tx("owner.remove_text", {
                item: html`<code translate="no">${row.item}</code>`,
                name: html`<bdi translate="no">${name}</bdi>`,
            })}</p>
            <${ValueBlock} value=${valueOf(row)} label=${t("owner.value")} />
            <p>${t("owner.remove_effect")}</p>`,
        undo: device ? t("owner.remove_undo_device") : t("owner.remove_undo"),
        danger: true,
        run: () => api.delete(where, options),
        command: () => command("kitbagctl", kind, "unset", name, row.item,
            device ? ["--device", device] : null),
    });
    if (done) {
        const undo = () => restoreOwners([{ kind, name }], {
            at: done.value.old_seq, items: [row.item], title: t("owner.bring_back"),
        });
        toast(t("owner.removed", { item: row.item }),
            { action: device ? undefined : { text: t("user_data.undo"), run: undo } });
    }
    return done !== null;
}

/* Write one item's bytes; `seq` is that of the value which the writer saw, "0" when there was none.
 * Resolves to the answer; a newer value is a Problem with status 412. */
export async function writeItem({ kind, name, device, item, bytes, seq }) {
    const { response } = await call("PUT", itemPath(kind, name, item), {
        query: { device }, body: new Blob([bytes]), headers: { "If-Match": `"${seq}"` }, raw: true,
    });
    return response.json();
}

/* Paths hold what is looked for; the whole list is looked through when it is on one page. */
const matching = (rows, find) => rows?.filter((row) =>
    row.item.toLowerCase().includes(find.toLowerCase()));

export function Items({ kind, name, device, onChange }) {
    const { find = "" } = place.value.query;
    const list = useList(ownerPath(kind, name, "/items"), "items",
        { values: 1, limit: PAGE_ROWS, device });
    const [open, setOpen] = useState(null); /* a row, or {item: ""}: a new one */
    const changed = () => {
        list.reload();
        onChange?.();
    };
    const remove = async (row) => {
        setOpen(null);
        if (await removeItem({ kind, name, device, row })) {
            changed();
        }
    };
    return html`
        <div class="bar">
            <${Toolbar}><${SearchField} label=${t("owner.find")} value=${find}
                onSearch=${(text) => setQuery({ find: text })} /><//>
            ${can("operator") && html`<button class="outline"
                onClick=${() => setOpen({ item: "" })}>${t("owner.new_item")}</button>`}
        </div>
        <${DataTable} caption=${t("owner.tab_items")}
            list=${{ ...list, rows: matching(list.rows, find) }}
            columns=${itemColumns({ open: setOpen, kind, name, device })}
            rowKey=${(row) => row.item}
            empty=${find ? t("owner.none_found") : t("owner.no_item")} />
        ${open && html`<${ItemDialog} key=${open.item} ...${{ kind, name, device }} row=${open}
            onClose=${() => setOpen(null)} onRemove=${() => remove(open)} onSaved=${changed} />`}
        ${device && html`<${CopyCommand} command=${command("kitbagctl", kind, "show", name,
            "--values", "--device", device)} />`}`;
}
