/* table.js - rows with columns: empty, loading and failed too; ticked rows; a pager.
 *
 *   <${DataTable} caption=${t("devices.title")} list=${list} selection=${ticked}
 *       rowKey=${(row) => row.id} rowName=${(row) => row.name} empty=${t("devices.none")}
 *       columns=${[
 *           { key: "name", title: t("devices.name"), head: true,
 *             cell: (row) => html`<a href=${...}>${row.name}</a>` },
 *           { key: "lag", title: t("devices.lag"), num: true, cell: (row) => html`<${Num} .../>` },
 *       ]} />
 *
 * `list` is of useList (or {rows, loading, problem}); `mayTick(row)` tells whether a row may be
 * ticked, when not all may; `head` marks the column that names a row, `num` one with numbers,
 * `sort: "ascending" | "descending"` one by which the server sorts, with `onSort` as a button, and
 * `wide` one that is left out where there is little room. On a phone each row is a card and each
 * cell bears its column's title. */
import { t } from "../i18n.js";
import { html, useRef } from "../lib.js";
import { Pager } from "./pager.js";
import { ProblemView } from "./problem.js";

function Title({ column }) {
    const { title, sort, onSort, num, wide } = column;
    const names = `${num ? "num" : ""} ${wide ? "wide-only" : ""}`;
    return html`<th scope="col" role="columnheader" class=${names} aria-sort=${sort ?? null}>
        ${onSort ? html`<button class="sort" onClick=${onSort}>${title}</button>` : title}
        ${sort && html`<span aria-hidden="true"> ${sort === "ascending" ? "↑" : "↓"}</span>`}
    </th>`;
}

function Cell({ column, row }) {
    const names = `${column.num ? "num" : ""} ${column.wide ? "wide-only" : ""}`;
    const cell = column.cell ? column.cell(row) : row[column.key];
    return column.head
        ? html`<th scope="row" role="rowheader" data-label=${column.title}>${cell}</th>`
        : html`<td role="cell" class=${names} data-label=${column.title}>${cell}</td>`;
}

/* One box to tick all rows of this page. */
function TickAll({ rows, rowKey, selection }) {
    const count = rows.filter((row) => selection.has(rowKey(row))).length;
    const all = rows.length > 0 && count === rows.length;
    const tick = (event) => rows.forEach((row) =>
        selection.set(rowKey(row), row, event.target.checked));
    return html`<th scope="col" role="columnheader" class="tick"><input type="checkbox"
        aria-label=${t("common.tick_page")} checked=${all} indeterminate=${count > 0 && !all}
        onChange=${tick} />
        <span class="tick-words" aria-hidden="true">${t("common.tick_page")}</span></th>`;
}

function Tick({ row, rowKey, rowName, selection, onTick, mayTick }) {
    const key = rowKey(row);
    const on = selection.has(key);
    const open = mayTick(row) && !selection.full;
    return html`<td role="cell" class="tick"><input type="checkbox" checked=${on}
        disabled=${!on && !open} aria-label=${t("common.tick", { name: rowName(row) })}
        onClick=${(event) => onTick(event, row)} /></td>`;
}

/* With Shift, a click ticks all rows from the one that was clicked before. */
function useRange(rows, rowKey, selection, mayTick) {
    const last = useRef(null);
    return (event, row) => {
        const on = event.target.checked;
        const from = event.shiftKey ? rows.findIndex((one) => rowKey(one) === last.current) : -1;
        const to = rows.indexOf(row);
        const range = from < 0 ? [row] : rows.slice(Math.min(from, to), Math.max(from, to) + 1);
        range.filter(mayTick).forEach((one) => selection.set(rowKey(one), one, on));
        last.current = rowKey(row);
    };
}

/* Up and down go from row to row, in the column where the focus is. */
function arrows(event) {
    const step = { ArrowUp: "previousElementSibling", ArrowDown: "nextElementSibling" }[event.key];
    const focused = event.target.closest("td,th");
    if (!step || !focused || event.target.matches("select,textarea,input:not([type=checkbox])")) {
        return;
    }
    const index = [...focused.parentElement.children].indexOf(focused);
    const next = focused.parentElement[step]?.children[index]?.querySelector("a,button,input");
    if (next) {
        event.preventDefault();
        next.focus();
    }
}

function Body({ rows, columns, rowKey, rowName, rowClass, selection, onTick, mayTick }) {
    return html`<tbody role="rowgroup" onKeyDown=${arrows}>
        ${rows.map((row) => html`<tr key=${rowKey(row)} role="row"
                class="${selection?.has(rowKey(row)) ? "ticked" : ""} ${rowClass?.(row) ?? ""}">
            ${selection && html`<${Tick}
                ...${{ row, rowKey, rowName, selection, onTick, mayTick }} />`}
            ${columns.map((column) => html`<${Cell} key=${column.key} column=${column}
                row=${row} />`)}
        </tr>`)}
    </tbody>`;
}

export function DataTable(props) {
    const { caption, list, columns, rowKey, selection, empty } = props;
    const rowName = props.rowName ?? rowKey;
    const rows = list.rows ?? [];
    const mayTick = props.mayTick ?? (() => true);
    const onTick = useRange(rows, rowKey, selection, mayTick);
    const shown = columns.filter(Boolean);
    if (list.problem && !list.rows) {
        return html`<${ProblemView} problem=${list.problem} retry=${list.reload} />`;
    }
    const first = list.rows === undefined;
    return html`<div class="table-box" aria-busy=${list.loading ?? false}>
        <${ProblemView} problem=${list.problem} retry=${list.reload} />
        <table role="table" class="data ${list.loading ? "loading-rows" : ""}">
            <caption class="hidden">${caption}</caption>
            <thead role="rowgroup"><tr role="row">
                ${selection && html`<${TickAll} rows=${rows.filter(mayTick)}
                    ...${{ rowKey, selection }} />`}
                ${shown.map((column) => html`<${Title} key=${column.key} column=${column} />`)}
            </tr></thead>
            <${Body} ...${props} ...${{ rows, columns: shown, rowName, onTick, mayTick }} />
        </table>
        ${first && html`<p class="loading" role="status">${t("common.loading")}</p>`}
        ${!first && rows.length === 0 && html`<p class="empty">${empty ?? t("common.empty")}</p>`}
        <${Pager} list=${list} />
    </div>`;
}

/* <${TickedBar} selection=${ticked}>buttons<//>: how many rows are ticked and what to do with
 * them; nothing while none is. */
export function TickedBar({ selection, children }) {
    return html`<div class="ticked-bar" role="region" aria-label=${t("common.ticked_region")}
            hidden=${selection.size === 0}>
        <span role="status">${selection.size > 0 && t("common.ticked", { count: selection.size })}
            ${selection.full && ` ${t("common.ticked_full", { max: selection.max })}`}</span>
        <button class="small outline secondary" onClick=${selection.clear}>
            ${t("common.untick")}</button>
        ${children}
    </div>`;
}
