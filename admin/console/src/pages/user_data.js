/* user_data.js - Delete User Data: who is registered, whom to delete; who was deleted. */
import { Page } from "../components/page.js";
import { CopyCommand } from "../components/copy.js";
import { useList, useSelection } from "../components/list.js";
import { Badge, Bytes, Num, Tabs, Time } from "../components/small.js";
import { DataTable, TickedBar } from "../components/table.js";
import { command } from "../format.js";
import { t } from "../i18n.js";
import { html, useEffect, useState } from "../lib.js";
import { status } from "../live.js";
import { argumentsOf, keyOf } from "../owner.js";
import { href, path, place } from "../router.js";
import { can } from "../session.js";
import { DeletedList } from "./user_data/deleted.js";
import { DeleteResult, deleteOwners, TICKED_MAX } from "./user_data/remove.js";
import { Search } from "./user_data/search.js";
import { OwnerName } from "./user_data/small.js";

const PAGE_ROWS = 100;

const columns = () => [
    {
        key: "name", title: t("user_data.name"), head: true,
        cell: (row) => html`<a class="owner-link" href=${href(path("/user-data/:kind/:name", row))}
            ><${OwnerName} name=${row.name} /></a>`,
    },
    { key: "kind", title: t("user_data.kind"), cell: (row) => t(`user_data.kind_${row.kind}`) },
    {
        key: "last", title: t("user_data.last_sign_in"), wide: true,
        cell: (row) => html`<${Time} at=${row.last_sign_in} />`, /* groups do not sign in: a dash */
    },
    { key: "items", title: t("user_data.items"), num: true,
        cell: (row) => html`<${Num} value=${row.items} />` },
    { key: "bytes", title: t("user_data.bytes"), num: true,
        cell: (row) => html`<${Bytes} value=${row.bytes} />` },
];

/* What the search is as a command; both kinds are two of them. */
function listCommand(search, kind) {
    const of = (noun) => command("kitbagctl", noun, "ls", search ? argumentsOf([search]) : null);
    return kind ? of(kind) : `${of("user")}\n${of("group")}`;
}

/* How many there are in all, when nothing narrows the list down. */
function totalText() {
    const counts = status.value?.counts;
    return counts && t("user_data.total", { users: counts.users, groups: counts.groups });
}

/* Names that are ticked and may be on another page of the list, or not in this search. */
function Ticked({ ticked }) {
    const rows = ticked.rows;
    return rows.length > 0 && html`<details class="ticked-names">
        <summary>${t("user_data.ticked_names", { count: rows.length })}</summary>
        <ul>${rows.slice(0, 100).map((row) => html`<li key=${keyOf(row)}>
            <${OwnerName} name=${row.name} kind=${row.kind} />
            <button class="icon" aria-label=${t("user_data.untick", { name: row.name })}
                onClick=${() => ticked.set(keyOf(row), row, false)}>✕</button></li>`)}
            ${rows.length > 100 && html`<li class="quiet">
                ${t("user_data.more", { count: rows.length - 100 })}</li>`}</ul>
    </details>`;
}

/* What was found, as far as this page tells. */
function countText(list, search) {
    if (!search || !list.rows || list.loading || list.hasPrevious) {
        return "";
    }
    const count = list.rows.length;
    return t(list.hasNext ? "user_data.found_more" : "user_data.found", { count });
}

function Listing({ ticked }) {
    const { search = "", kind = "" } = place.value.query;
    const list = useList("/owners", "owners", { search, kind, limit: PAGE_ROWS });
    const empty = list.rows?.length === 0 && !list.loading;
    useEffect(() => {
        if (empty && list.hasPrevious) {
            list.previous(); /* the page before was the last one that holds somebody */
        }
    }, [empty]);
    return html`
        <${Search} count=${countText(list, search)} help=${t("user_data.search_help")} />
        ${!search && !kind && html`<p class="quiet list-total">${totalText() ?? " "}</p>`}
        <${DataTable} caption=${t("user_data.registered")} list=${list} columns=${columns()}
            selection=${can("operator") ? ticked : null} rowKey=${keyOf}
            rowName=${(row) => row.name}
            empty=${search || kind ? t("user_data.none_found") : t("user_data.none")} />`;
}

function Registered() {
    const { search = "", kind = "" } = place.value.query;
    const ticked = useSelection({ max: TICKED_MAX });
    const [result, setResult] = useState(null);
    const [lists, setLists] = useState(0); /* the list begins anew when somebody came or went */
    const remove = async () => {
        const done = await deleteOwners(ticked.rows);
        if (done) {
            ticked.clear();
            setResult(done);
            setLists(lists + 1);
        }
    };
    const restored = () => {
        setResult(null);
        setLists(lists + 1);
    };
    return html`
        ${result && html`<${DeleteResult} key=${result.key} result=${result} onRestored=${restored}
            onClose=${() => setResult(null)} />`}
        <${Listing} key=${lists} ticked=${ticked} />
        <${Ticked} ticked=${ticked} />
        ${can("operator") && html`<${TickedBar} selection=${ticked}>
            <button class="danger" onClick=${remove}>${t("user_data.delete")}</button><//>`}
        <${CopyCommand} command=${listCommand(search, kind)} />`;
}

export default function UserData() {
    const deleted = place.value.query.tab === "deleted";
    const tab = (name) => href("/user-data", { tab: name });
    return html`<${Page} title=${t("nav.delete_user_data")}
            intro=${deleted ? t("user_data.intro_deleted") : t("user_data.intro")}>
        <${Tabs} label=${t("user_data.tabs")} items=${[
            { href: tab(""), text: t("user_data.registered"), current: !deleted },
            { href: tab("deleted"), text: t("user_data.deleted"), current: deleted },
        ]} />
        ${!can("operator") && html`<p class="quiet"><${Badge} kind="quiet"
            >${t("user_data.viewer")}<//></p>`}
        ${deleted ? html`<${DeletedList} />` : html`<${Registered} />`}
    <//>`;
}
