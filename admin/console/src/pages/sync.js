/* sync.js - Synchronize Custom Settings (Server): its state, what it covers, start and stop. */
import { api } from "../api.js";
import { confirmAction } from "../components/confirm.js";
import { CopyCommand } from "../components/copy.js";
import { useDocument } from "../components/list.js";
import { Page } from "../components/page.js";
import { ProblemView } from "../components/problem.js";
import { Definitions, Loading, Num, Seq, Time } from "../components/small.js";
import { StateBadge } from "../components/state.js";
import { toast } from "../components/toast.js";
import { command } from "../format.js";
import { t, tx } from "../i18n.js";
import { html } from "../lib.js";
import { status } from "../live.js";
import { href } from "../router.js";
import { hasPage } from "../routes.js";
import { can } from "../session.js";

const REFRESH_MS = 5000;

function scopeRows(sync) {
    const devices = html`<${Num} value=${sync.devices} />`;
    return [
        [t("sync.users"), html`<${Num} value=${sync.users} />`],
        [t("sync.groups"), html`<${Num} value=${sync.groups} />`],
        [t("sync.devices"), hasPage("/devices")
            ? html`<a href=${href("/devices")}>${devices}</a>` : devices],
        [t("sync.connected"), html`<${Num} value=${sync.connected} />`],
        [t("sync.waiting"), sync.waiting === null
            ? t("sync.unknown") : html`<${Num} value=${sync.waiting} />`],
        [t("sync.head"), html`<${Seq} value=${sync.head} />`],
    ];
}

/* What a start or a stop means, as a list. */
function Effects({ run, sync }) {
    const { connected, devices, users } = sync;
    const away = devices - connected;
    const points = run
        ? [
            t("sync.start_exchange", { connected, devices }),
            sync.waiting > 0 && t("sync.start_waiting", { count: sync.waiting }),
            away > 0 && t("sync.start_away", { count: away }),
            t("sync.start_both"),
        ]
        : [
            t("sync.stop_connections", { connected }), t("sync.stop_local"),
            t("sync.stop_read", { users }), t("sync.stop_login"),
        ];
    return html`<ul class="effects">${points.filter(Boolean).map((text) => html`
        <li key=${text}>${text}</li>`)}</ul>`;
}

/* The preview, Yes or No, and doing it. Resolves when something was changed. */
async function change(run) {
    const state = run ? "running" : "stopped";
    const verb = run ? "start" : "stop";
    const done = await confirmAction({
        title: run ? t("sync.start_title") : t("sync.stop_title"),
        preview: (_, signal) => api.put("/sync", { state, dry_run: true }, { signal }),
        describe: (preview) => (preview.changed
            ? html`<p>${run ? t("sync.start_text") : t("sync.stop_text")}</p>
                <${Effects} run=${run} sync=${preview} />
                <${Definitions} rows=${scopeRows(preview)} />`
            : html`<p>${run ? t("sync.runs_already") : t("sync.stopped_already")}</p>`),
        undo: run ? t("sync.start_undo") : t("sync.stop_undo"),
        run: () => api.put("/sync", { state }),
        danger: !run,
        command: () => command("kitbagctl", "sync", verb),
    });
    if (done) {
        toast(run ? t("sync.started") : t("sync.stopped"));
    }
    return done !== null;
}

function Headline({ sync, reload }) {
    const running = sync.state === "running";
    const act = async () => (await change(!running)) && reload();
    const by = sync.by === null || sync.by === undefined
        ? t("sync.never_changed")
        : tx("sync.since", {
            by: html`<strong translate="no">${sync.by}</strong>`,
            when: html`<${Time} at=${sync.since} both />`,
        });
    return html`<section class="card sync-head">
        <div>
            <${StateBadge} state=${sync.state} />
            <p class="sync-text">${running ? t("sync.running_text") : t("sync.stopped_text")}</p>
            <p class="quiet">${by}</p>
        </div>
        ${can("operator")
            ? html`<button class=${running ? "danger outline" : ""} onClick=${act}>
                ${running ? t("sync.stop") : t("sync.start")}</button>`
            : html`<p class="quiet">${t("sync.viewer")}</p>`}
    </section>`;
}

/* Synchronization may run while the server takes no writes: that is another matter. */
function Trouble() {
    const now = status.value;
    return now?.state === "read-only" && html`<div class="notice warn" role="status"><p>
        <strong>${t("sync.read_only")}</strong> <span lang="en">${now.state_text}</span></p></div>`;
}

export default function Sync() {
    const { data: sync, problem, reload } = useDocument("/sync", {}, { refresh_ms: REFRESH_MS });
    if (!sync) {
        return html`<${Page} title=${t("nav.sync")}>
            ${problem ? html`<${ProblemView} problem=${problem} retry=${reload} />`
                : html`<${Loading} />`}<//>`;
    }
    const running = sync.state === "running";
    return html`<${Page} title=${t("nav.sync")} intro=${t("sync.intro")}>
        <${ProblemView} problem=${problem} retry=${reload} />
        <${Trouble} />
        <${Headline} sync=${sync} reload=${reload} />
        <div class="cards">
            <section class="card"><h2>${t("sync.scope")}</h2>
                <${Definitions} rows=${scopeRows(sync)} /></section>
            <section class="card"><h2>${running ? t("sync.if_stopped") : t("sync.if_started")}</h2>
                <${Effects} run=${!running} sync=${sync} /></section>
        </div>
        <${CopyCommand} command=${command("kitbagctl", "sync", "status")} />
    <//>`;
}
