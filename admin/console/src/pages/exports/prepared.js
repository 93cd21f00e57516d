/* prepared.js - what is prepared for export, on the pages that offer it: which one, how long it is
 * there still, what is in it and what is not. */
import { Loading, Badge, Bytes, Definitions, Num, Seq, Time } from "../../components/small.js";
import { ProblemView } from "../../components/problem.js";
import { useDocument } from "../../components/list.js";
import { Choice, Toolbar } from "../../components/search.js";
import { countdown, leftMs, pick } from "../../exports.js";
import { absolute } from "../../format.js";
import { t } from "../../i18n.js";
import { html, useEffect, useRef, useState } from "../../lib.js";
import { href, place, setQuery } from "../../router.js";

const SOON_MS = 120000;

/* Counts down by the second, from what the server said; `onOver` when nothing is left. */
export function Countdown({ left_ms, onOver }) {
    const began = useRef({ left_ms: null, at: 0 });
    const [now, setNow] = useState(Date.now());
    if (began.current.left_ms !== left_ms) {
        began.current = { left_ms, at: Date.now() };
    }
    const left = leftMs(left_ms, began.current.at, now);
    useEffect(() => {
        const timer = setInterval(() => setNow(Date.now()), 1000);
        return () => clearInterval(timer);
    }, []);
    useEffect(() => {
        if (left === 0) {
            onOver?.();
        }
    }, [left === 0]);
    return html`<p class="export-left">
        <${Badge} kind=${left < SOON_MS ? "warn" : "info"}
            >${t("exports.left", { time: countdown(left) })}<//>
        ${left < SOON_MS && left > 0 && html`<span class="hidden" role="status">
            ${t("exports.soon_over")}</span>`}
    </p>`;
}

/* What is in the file, and what had to be left out. */
export function Facts({ one }) {
    const { counts } = one;
    return html`
        <${Definitions} rows=${[
            [t("exports.moment"), html`<${Time} at=${one.created} exact />`],
            [t("exports.seq"), html`<${Seq} value=${one.seq} />`],
            [t("exports.chosen"), one.all ? t("exports.everybody")
                : t("exports.so_many", { users: one.users, groups: one.groups })],
            [t("exports.by"), one.by],
        ]} />
        ${one.late_count > 0 && html`<p class="notice warn">
            ${t("exports.late", { count: one.late_count })}
            <span class="quiet"> ${one.late.join(", ")}</span></p>`}
        ${counts.not_exported > 0 && html`<p class="quiet">
            ${t("exports.not_exported", { count: counts.not_exported })}</p>`}`;
}

/* The size of the snapshot file, and its secrets. */
export function SnapshotFacts({ one }) {
    return html`
        <${Definitions} rows=${[
            [t("exports.items"), html`<${Num} value=${one.counts.items} />`],
            [t("exports.size"), html`<${Bytes} value=${one.size} />`],
            [t("exports.has_password"), t(one.password ? "exports.yes" : "exports.no")],
        ]} />
        ${one.counts.secrets > 0 && html`<p class="notice warn">
            ${t("exports.secrets", { count: one.counts.secrets })}</p>`}`;
}

function Nothing({ id }) {
    return html`<div class="notice">
        <p>${t(id ? "exports.gone" : "exports.nothing")}</p>
        <p><a href=${href("/export-prepare")}>${t("exports.to_prepare")}</a></p>
    </div>`;
}

/* <${Prepared}>${(one, reload) => ...}<//>: the export that the address names, or the newest, while
 * it is there. */
export function Prepared({ children }) {
    const { id = "" } = place.value.query;
    const { data, problem, loading, reload } = useDocument("/exports", {}, { refresh_ms: 15000 });
    if (!data) {
        return problem ? html`<${ProblemView} problem=${problem} retry=${reload} />`
            : loading && html`<${Loading} />`;
    }
    const one = pick(data.exports, id);
    if (!one) {
        return html`<${Nothing} id=${id} />`;
    }
    return html`
        ${data.exports.length > 1 && html`<${Toolbar}>
            <${Choice} label=${t("exports.which")} value=${one.id}
                options=${data.exports.map((row) => [row.id, t("exports.one_of", {
                    time: absolute(row.created), by: row.by })])}
                onChoose=${(value) => setQuery({ id: value })} /><//>`}
        <${Countdown} left_ms=${one.left_ms} onOver=${reload} />
        ${children(one, reload)}`;
}
