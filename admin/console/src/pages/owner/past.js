/* past.js - somebody as they were: the items of a moment, and what became of them since. */
import { CopyCommand } from "../../components/copy.js";
import { useList } from "../../components/list.js";
import { Field, Seq, Tabs } from "../../components/small.js";
import { DataTable } from "../../components/table.js";
import { absolute, command, seq as seqText } from "../../format.js";
import { t, tx } from "../../i18n.js";
import { html, useState } from "../../lib.js";
import { fromField, isMoment, isSeq, toField } from "../../moments.js";
import { ownerPath } from "../../owner.js";
import { href, path, place, setQuery } from "../../router.js";
import { can } from "../../session.js";
import { valueOf } from "../../value_view.js";
import { restoreOwners } from "../user_data/restore.js";
import { itemColumns } from "./items.js";
import { ValueLine } from "./value.js";

const PAGE_ROWS = 200;
const HOUR_MS = 3600000;
const AGO = [[1, "owner.hour_ago"], [24, "owner.day_ago"], [168, "owner.week_ago"]]; /* hours */

/* Choosing the moment: a time, or a seq; two fields, of which the one that is filled in counts. */
function Moment({ at }) {
    const [time, setTime] = useState(at && !isSeq(at) ? toField(at) : "");
    const [seq, setSeq] = useState(at && isSeq(at) ? at : "");
    const bad = seq !== "" && !isSeq(seq);
    const submit = (event) => {
        event.preventDefault();
        if (!bad) {
            setQuery({ at: seq || fromField(time) });
        }
    };
    const ago = (hours) => {
        const when = Date.now() - hours * HOUR_MS;
        setTime(toField(when));
        setSeq("");
        setQuery({ at: new Date(when).toISOString() });
    };
    return html`<form class="moment toolbar" onSubmit=${submit}>
        <div class="choice"><${Field} label=${t("owner.at_time")}>${(a) => html`
            <input ...${a} type="datetime-local" step="1" value=${time} onInput=${(event) => {
                setTime(event.target.value);
                setSeq("");
            }} />`}<//></div>
        <div class="choice"><${Field} label=${t("owner.at_seq")} error=${bad && t("owner.bad_seq")}
            >${(a) => html`<input ...${a} type="text" inputmode="numeric" value=${seq}
                autocomplete="off" onInput=${(event) => {
                    setSeq(event.target.value.trim());
                    setTime("");
                }} />`}<//></div>
        <button disabled=${bad || (!time && !seq)}>${t("owner.show")}</button>
        <div class="quick">${AGO.map(([hours, key]) => html`<button key=${key} type="button"
            class="small outline" onClick=${() => ago(hours)}>${t(key)}</button>`)}</div>
    </form>`;
}

const DEEDS = { added: "add", changed: "set", removed: "remove" };

/* Which values there were then and are now: each side has its own members. */
function differenceColumns() {
    const then = (row) => (row.old_size === undefined ? { kind: "absent" } : valueOf(row, "old_"));
    const now = (row) => (row.size === undefined ? { kind: "absent" } : valueOf(row));
    return [
        { key: "item", title: t("owner.item"), head: true,
            cell: (row) => html`<span class="item-path" translate="no">${row.item}</span>` },
        { key: "change", title: t("owner.since_then"), cell: (row) => html`
            <span class="change change-${DEEDS[row.change]}">${
                t(`owner.deed_${DEEDS[row.change]}`)}</span>` },
        { key: "then", title: t("owner.then"),
            cell: (row) => html`<${ValueLine} value=${then(row)} />` },
        { key: "now", title: t("owner.now"),
            cell: (row) => html`<${ValueLine} value=${now(row)} />` },
    ];
}

function Differences({ kind, name, at }) {
    const list = useList(ownerPath(kind, name, "/diff"), "differences",
        { from: at, values: 1, limit: PAGE_ROWS });
    return html`<${DataTable} caption=${t("owner.differences")} list=${list}
        columns=${differenceColumns()} rowKey=${(row) => row.item}
        empty=${t("owner.no_difference")} />
        <${CopyCommand} command=${command("kitbagctl", kind, "diff", name, "--from", at)} />`;
}

function ItemsThen({ kind, name, at }) {
    const list = useList(ownerPath(kind, name, "/items"), "items",
        { at, values: 1, limit: PAGE_ROWS });
    const seq = list.answer?.seq;
    return html`
        ${seq && !list.problem && html`<p class="quiet">${tx("owner.at_was",
            { seq: html`<${Seq} value=${seq} />` })}</p>`}
        <${DataTable} caption=${t("owner.items_then")} list=${list}
            columns=${itemColumns({ kind, name })} rowKey=${(row) => row.item}
            empty=${t("owner.no_item_then")} />
        <${CopyCommand} command=${command("kitbagctl", kind, "show", name, "--values",
            "--at", at)} />`;
}

function Then({ kind, name, at, onChange }) {
    const { view } = place.value.query;
    const items = view === "items";
    const here = path("/user-data/:kind/:name", { kind, name });
    const to = (one) => href(here, { tab: "past", at, view: one });
    const restore = async () => {
        if (await restoreOwners([{ kind, name }], { at, title: t("owner.restore_all_title") })) {
            onChange?.();
            setQuery({ tab: "", at: "", view: "" });
        }
    };
    return html`
        <div class="bar">
            <${Tabs} label=${t("owner.views")} items=${[
                { href: to(""), text: t("owner.differences"), current: !items },
                { href: to("items"), text: t("owner.items_then"), current: items },
            ]} />
            ${can("operator") && html`<button class="outline" onClick=${restore}>
                ${t("owner.restore_all")}</button>`}
        </div>
        ${items ? html`<${ItemsThen} key=${`i${at}`} kind=${kind} name=${name} at=${at} />`
            : html`<${Differences} key=${`d${at}`} kind=${kind} name=${name} at=${at} />`}`;
}

export function AsItWas({ kind, name, onChange }) {
    const { at = "" } = place.value.query;
    const known = isMoment(at);
    return html`
        <p class="quiet">${t("owner.past_text")}</p>
        <${Moment} key=${at} at=${known ? at : ""} />
        ${known && html`<h2 class="then-head">${isSeq(at)
            ? t("owner.as_of_seq", { seq: seqText(at) })
            : t("owner.as_of_time", { time: absolute(at) })}</h2>
            <${Then} ...${{ kind, name, at, onChange }} />`}`;
}
