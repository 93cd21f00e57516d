/* small.js - the smallest parts: state, time, size, seq, links, waiting. */
import * as format from "../format.js";
import { t } from "../i18n.js";
import { html, signal, useId } from "../lib.js";

/* The time by which relative times are drawn; one timer for all of them. */
export const now = signal(Date.now());
setInterval(() => {
    now.value = Date.now();
}, 5000).unref?.();

const SHAPES = { ok: "●", warn: "▲", bad: "■", info: "◆", quiet: "○" };

/* <${Badge} kind="ok">Running<//>: kind ok, warn, bad, info or quiet. Its shape says the kind as
 * well as its colour. */
export function Badge({ kind = "quiet", children }) {
    return html`<span class="badge badge-${kind}"
        ><span class="badge-shape" aria-hidden="true">${SHAPES[kind]}</span>${children}</span>`;
}

/* <${Time} at=${iso} />: "3 minutes ago", the moment itself on pointing at it and for machines.
 * `both` shows both, `exact` the moment alone. Nothing known: a dash, or `never`. */
export function Time({ at, both, exact, never = "–" }) {
    if (at === null || at === undefined || at === 0 || at === "") {
        return html`<span class="quiet">${never}</span>`;
    }
    const moment = format.absolute(at);
    const ago = exact ? "" : format.relative(at, now.value);
    const iso = new Date(at).toISOString();
    if (exact) {
        return html`<time datetime=${iso} class="num">${moment}</time>`;
    }
    return both
        ? html`<time datetime=${iso}><span class="num">${moment}</span> <span
            class="quiet">(${ago})</span></time>`
        : html`<time datetime=${iso} title=${moment}>${ago}</time>`;
}

export function Bytes({ value }) {
    return html`<span class="num">${format.bytes(value)}</span>`;
}

export function Num({ value }) {
    return html`<span class="num">${format.number(value)}</span>`;
}

/* A seq, with its digits in groups. */
export function Seq({ value }) {
    return html`<span class="num">${format.seq(value)}</span>`;
}

/* What is being fetched; told to a screen reader, shown only when it takes a moment. */
export function Loading() {
    return html`<p class="loading" role="status" aria-busy="true">${t("common.loading")}</p>`;
}

/* <${Definitions} rows=${[["Address", "10.0.0.1"], ...]} />: names and values; rows that are
 * false, null or undefined are left out. */
export function Definitions({ rows }) {
    return html`<dl class="definitions">
        ${rows.filter(Boolean).map(([name, value]) => html`
            <div key=${name}><dt>${name}</dt><dd>${value}</dd></div>`)}
    </dl>`;
}

/* <${Tabs} label="..." items=${[{href, text, current}]} />: parts of a page, each with its own
 * address. */
export function Tabs({ label, items }) {
    return html`<nav class="tabs" aria-label=${label}><ul>
        ${items.map((item) => html`<li key=${item.href}><a href=${item.href}
            aria-current=${item.current ? "page" : null}>${item.text}</a></li>`)}
    </ul></nav>`;
}

/* A label, its field and what helps with it. `children` is a function of the attributes that the
 * field must bear: <${Field} label="Name" help="...">${(a) => html`<input ...${a} />`}<//>. */
export function Field({ label, help, error, children }) {
    const id = useId();
    const about = error || help ? `${id}-about` : null;
    const attributes = { id, "aria-describedby": about, "aria-invalid": error ? "true" : null };
    return html`<div class="field">
        <label for=${id}>${label}</label>
        ${children(attributes)}
        ${about && html`<small id=${about} class=${error ? "bad" : "quiet"}>
            ${error || help}</small>`}
    </div>`;
}
