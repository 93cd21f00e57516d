/* reach.js - how far the journal reaches back, its size, and what holds it. */
import { api } from "../../api.js";
import { confirmAction } from "../../components/confirm.js";
import { CopyCommand } from "../../components/copy.js";
import { useDocument } from "../../components/list.js";
import { ProblemView } from "../../components/problem.js";
import { Bytes, Definitions, Loading, Num, Seq, Time } from "../../components/small.js";
import { toast } from "../../components/toast.js";
import { command } from "../../format.js";
import { hasText, t } from "../../i18n.js";
import { html } from "../../lib.js";
import { retentionWords } from "../../retention_words.js";
import { can } from "../../session.js";

const REFRESH_MS = 10000;

function Place({ seq, at }) {
    return html`<${Seq} value=${seq} /><br /><${Time} at=${at} both />`;
}

function reachRows(stat) {
    return [
        [t("journal.first"), html`<${Place} seq=${stat.floor} at=${stat.first_time} />`],
        [t("journal.last"), html`<${Place} seq=${stat.head} at=${stat.last_time} />`],
        [t("journal.flushed"), html`<${Seq} value=${stat.flushed} />`],
        [t("journal.history"), html`<code translate="no">${stat.history}</code>`],
    ];
}

function sizeRows(stat) {
    return [
        [t("journal.bytes"), html`<${Bytes} value=${stat.bytes} />`],
        [t("journal.file_bytes"), html`<${Bytes} value=${stat.file_bytes} />`],
        [t("journal.segments"), html`<${Num} value=${stat.segments} />`],
        stat.leaving_bytes > 0 && [t("journal.leaving"),
            html`<${Bytes} value=${stat.leaving_bytes} />`],
        [t("journal.room"), html`<${Bytes} value=${stat.room_bytes} />`],
    ];
}

/* Why it is kept: in the reader's language where there are words for the server's sentence. */
function Why({ text }) {
    const parts = retentionWords(text);
    return parts ? parts.map(([word, values]) => t(`journal.why_${word}`, values)).join(" ")
        : html`<span lang="en">${text}</span>`;
}

/* What is kept, from where on, and why. */
function Kept({ lines }) {
    return html`<section class="card"><h2>${t("journal.kept")}</h2>
        <p class="quiet">${t("journal.kept_text")}</p>
        <dl class="kept">${lines.map((line) => html`<div key=${line.what}>
            <dt>${hasText(`journal.kept_${line.what}`) ? t(`journal.kept_${line.what}`)
                : html`<span lang="en">${line.what}</span>`}</dt>
            <dd>${line.seq !== "0" && html`<p>${t("journal.kept_from")} <${Seq}
                value=${line.seq} /></p>`}<p class="quiet"><${Why} text=${line.text} /></p></dd>
        </div>`)}</dl>
    </section>`;
}

/* Somebody set the server's clock on purpose: until that is said, nothing goes for its age. */
function Clock({ stat, reload }) {
    const confirm = async () => {
        const done = await confirmAction({
            title: t("journal.clock_title"),
            preview: (_, signal) => api.post("/clock/confirm", { dry_run: true }, { signal }),
            describe: (preview) => html`<p>${t("journal.clock_text")}</p>
                <${Definitions} rows=${[[t("journal.clock_now"),
                    html`<${Time} at=${preview.time} exact />`]]} />`,
            undo: t("journal.clock_undo"),
            run: () => api.post("/clock/confirm", {}),
            command: () => command("kitbagctl", "clock", "confirm"),
        });
        if (done) {
            toast(t("journal.clock_done"));
            reload();
        }
    };
    return stat.clock_stepped && html`<div class="notice warn"><p>${t("journal.clock_stepped")}</p>
        ${can("admin") && html`<button class="small outline" onClick=${confirm}>
            ${t("journal.clock_confirm")}</button>`}</div>`;
}

export function Reach() {
    const { data: stat, problem, reload } = useDocument("/journal/stat", {},
        { refresh_ms: REFRESH_MS });
    if (!stat) {
        return problem ? html`<${ProblemView} problem=${problem} retry=${reload} />`
            : html`<${Loading} />`;
    }
    return html`
        <${ProblemView} problem=${problem} retry=${reload} />
        <${Clock} stat=${stat} reload=${reload} />
        <div class="cards reach">
            <section class="card"><h2>${t("journal.reach_title")}</h2>
                <${Definitions} rows=${reachRows(stat)} /></section>
            <section class="card"><h2>${t("journal.size_title")}</h2>
                <${Definitions} rows=${sizeRows(stat)} /></section>
        </div>
        <${Kept} lines=${stat.retention} />
        <${CopyCommand} command=${command("kitbagctl", "journal", "stat")} />`;
}
