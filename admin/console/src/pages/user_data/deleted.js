/* deleted.js - who was deleted, by whom, until when that can be undone; bringing them back. */
import { useList, useSelection } from "../../components/list.js";
import { CopyCommand } from "../../components/copy.js";
import { Choice } from "../../components/search.js";
import { Badge, Bytes, Num, Time } from "../../components/small.js";
import { DataTable, TickedBar } from "../../components/table.js";
import { command } from "../../format.js";
import { t } from "../../i18n.js";
import { html } from "../../lib.js";
import { argumentsOf, commands } from "../../owner.js";
import { href, path, place, setQuery } from "../../router.js";
import { can } from "../../session.js";
import { restoreOwners } from "./restore.js";
import { Search } from "./search.js";
import { OwnerName } from "./small.js";

/* Each deletion of a name is one of its own. */
const rowKey = (row) => row.bag_id;

function Name({ row }) {
    return html`<a class="owner-link" href=${href(path("/user-data/:kind/:name", row))}
            ><${OwnerName} name=${row.name} /></a>
        ${row.registered && html` <${Badge} kind="info">${t("user_data.again")}<//>`}`;
}

/* One who is registered again, or an older deletion of a name: as it was just before. */
export const isPlain = (row, rows) => !row.registered &&
    rows.find((other) => other.kind === row.kind && other.name === row.name) === row;

function columns(restore) {
    return [
        { key: "name", title: t("user_data.name"), head: true,
            cell: (row) => html`<${Name} row=${row} />` },
        { key: "kind", title: t("user_data.kind"), wide: true,
            cell: (row) => t(`user_data.kind_${row.kind}`) },
        { key: "time", title: t("user_data.when"),
            cell: (row) => html`<${Time} at=${row.time} both />` },
        { key: "actor", title: t("user_data.by"),
            cell: (row) => html`<span translate="no">${row.actor || "–"}</span>` },
        { key: "items", title: t("user_data.items"), num: true, wide: true,
            cell: (row) => html`<${Num} value=${row.items} />` },
        { key: "bytes", title: t("user_data.bytes"), num: true, wide: true,
            cell: (row) => html`<${Bytes} value=${row.bytes} />` },
        { key: "until", title: t("user_data.until"),
            cell: (row) => html`<${Time} at=${row.until} both />` },
        can("operator") && { key: "restore", title: t("user_data.restore_column"),
            cell: (row) => html`<button class="small outline" onClick=${() => restore(row)}
                aria-label=${t("user_data.restore_name", { name: row.name })}
                >${t("user_data.restore")}</button>` },
    ];
}

export function DeletedList() {
    const { search = "", kind = "", show = "" } = place.value.query;
    const gone = show === "all" ? "" : 1;
    const list = useList("/owners/deleted", "deleted", { search, kind, gone, limit: 100 });
    const ticked = useSelection({ max: 1000 });
    const restore = async (row) => {
        const at = isPlain(row, list.rows) ? undefined : row.before;
        if (await restoreOwners([row], { at })) {
            list.reload();
        }
    };
    const restoreTicked = async () => {
        if (await restoreOwners(ticked.rows)) {
            ticked.clear();
            list.reload();
        }
    };
    return html`
        <${Search} help=${t("user_data.deleted_help")}>
            <${Choice} label=${t("user_data.show")} value=${show}
                options=${[["", t("user_data.show_gone")], ["all", t("user_data.show_all")]]}
                onChoose=${(value) => setQuery({ show: value })} />
        <//>
        <${DataTable} caption=${t("user_data.deleted")} list=${list} columns=${columns(restore)}
            selection=${can("operator") ? ticked : null} rowKey=${rowKey}
            mayTick=${(row) => isPlain(row, list.rows)}
            rowName=${(row) => row.name}
            empty=${search || kind ? t("user_data.none_found") : t("user_data.none_deleted")} />
        ${can("operator") && html`<${TickedBar} selection=${ticked}>
            <button onClick=${restoreTicked}>${t("user_data.restore")}</button><//>`}
        ${ticked.size > 0 && html`<${CopyCommand} command=${commands(ticked.rows, (noun, names) =>
            [noun, "restore", ...argumentsOf(names)], command)} />`}`;
}
