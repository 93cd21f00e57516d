/* small.js - small parts of the pages about people and groups. */
import { t } from "../../i18n.js";
import { html } from "../../lib.js";

/* A name as it is: a blank at its side or a direction of its own does not disturb what is around
 * it. With `kind`, a group is told to be one. */
export function OwnerName({ name, kind }) {
    return html`<span><bdi class="owner-name" translate="no">${name}</bdi>${kind === "group" &&
        html` <span class="quiet">${t("user_data.is_group")}</span>`}</span>`;
}

/* The first of many names, and how many more there are. */
export function Names({ rows, max = 8 }) {
    const shown = rows.slice(0, max);
    return html`<ul class="names">
        ${shown.map((row) => html`<li key=${`${row.kind}:${row.name}`}>
            <${OwnerName} name=${row.name} kind=${row.kind} /></li>`)}
        ${rows.length > max && html`<li class="quiet">
            ${t("user_data.more", { count: rows.length - max })}</li>`}
    </ul>`;
}

/* What should have been done and was not, each with its reason. */
export function Failures({ failed }) {
    return failed.length > 0 && html`<div class="failures">
        <p><strong>${t("user_data.failed", { count: failed.length })}</strong></p>
        <ul>${failed.slice(0, 50).map((row, i) => html`<li key=${i}>
            <${OwnerName} name=${row.name} kind=${row.kind} />
            ${row.item && html` <code translate="no">${row.item}</code>`}:
            <span lang="en"> ${row.reason}</span> <code>${row.code}</code></li>`)}
            ${failed.length > 50 && html`<li class="quiet">
                ${t("user_data.more", { count: failed.length - 50 })}</li>`}</ul>
    </div>`;
}
