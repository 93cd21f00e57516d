/* portal.js - how the server is, at a glance: what needs a look, the numbers, the last hour. */
import { api } from "../api.js";
import { Chart } from "../components/chart.js";
import { CopyCommand } from "../components/copy.js";
import { Page } from "../components/page.js";
import { ProblemView } from "../components/problem.js";
import { Badge, Definitions, Loading, Seq, Time } from "../components/small.js";
import { LiveBadge, StateBadge } from "../components/state.js";
import { bytes, command, compact, duration, number, percent, seq } from "../format.js";
import { hasText, lang, t, tx } from "../i18n.js";
import { html, useEffect, useState } from "../lib.js";
import { heardAt, liveState, stateKey, status } from "../live.js";
import { href } from "../router.js";
import { hasPage } from "../routes.js";
import { append, columnsOf, sampleOf } from "../samples.js";

/* --- what needs a look --- */

const WARNING_PAGES = {
    "replica.diverged": ["/devices", { state: "diverged" }],
    "replica.unverified": ["/devices"],
    "limit.users": ["/user-data"],
    "state.damaged": ["/log", { level: "warning" }],
};

/* The server's sentence in the reader's language; as it is when its code is a new one. */
function warningText(warning, now) {
    const key = `portal.warning_${warning.code.replaceAll(/\W/g, "_")}`;
    if (!hasText(key)) {
        return warning.text;
    }
    return t(key, {
        count: warning.count, why: now.state_text, room: bytes(now.disk.room_bytes),
        reserve: bytes(now.disk.reserve_bytes), users: now.counts.users, limit: now.limits.users,
        percent: percent(now.limits.users_percent / 100), journal: bytes(now.journal.file_bytes),
        journal_limit: bytes(now.journal.max_bytes),
    });
}

function Warning({ warning, now }) {
    const to = WARNING_PAGES[warning.code];
    const severe = warning.level === "error";
    return html`<li class=${severe ? "severe" : ""}>
        <${Badge} kind=${severe ? "bad" : "warn"}>
            ${severe ? t("portal.severe") : t("portal.warning")}<//>
        <span>${warningText(warning, now)}
            ${to && hasPage(to[0]) && html` <a href=${href(...to)}>${t("portal.look")}</a>`}</span>
    </li>`;
}

function Warnings({ now }) {
    const { warnings } = now;
    return html`<div role="status">${warnings.length > 0 && html`
        <section class="card warnings" aria-labelledby="warnings-title">
            <h2 id="warnings-title">${t("portal.attention")}</h2>
            <ul>${warnings.map((warning) => html`<${Warning} key=${warning.code}
                warning=${warning} now=${now} />`)}</ul>
        </section>`}</div>`;
}

/* --- the numbers --- */

function Tile({ title, value, unit, note, to }) {
    const heading = to && hasPage(to) ? html`<a href=${href(to)}>${title}</a>` : title;
    return html`<div class="tile"><dt>${heading}</dt>
        <dd><span class="tile-value num">${value}</span>${unit && html`<span class="tile-unit">
            ${unit}</span>`}<span class="tile-note">${note}</span></dd></div>`;
}

function lagNote(now) {
    return now.lag.devices_behind > 0
        ? t("portal.behind", { count: now.lag.devices_behind })
        : t("portal.nobody_behind");
}

function Tiles({ now }) {
    const { counts, limits } = now;
    return html`<dl class="tiles">
        <${Tile} title=${t("portal.seq")} value=${seq(now.seq)} to="/journal"
            note=${t("portal.seq_note", { count: now.writes })} />
        <${Tile} title=${t("portal.writes")} value=${compact(now.rate.writes)}
            unit=${t("portal.per_second")} note=${t("portal.items", { count: counts.items })} />
        <${Tile} title=${t("portal.connected")} value=${number(counts.connected)}
            unit=${t("portal.of", { total: counts.devices })} to="/devices"
            note=${counts.connected < counts.devices
                ? t("portal.away", { count: counts.devices - counts.connected })
                : t("portal.nobody_away")} />
        <${Tile} title=${t("portal.lag")} value=${number(now.lag.most)} unit=${t("portal.changes")}
            note=${lagNote(now)} to="/devices" />
        <${Tile} title=${t("portal.users")} value=${number(counts.users)} to="/user-data"
            note=${limits.users > 0 ? t("portal.users_note", {
                percent: percent(counts.users / limits.users), limit: limits.users,
            }) : t("portal.groups", { count: counts.groups })} />
        <${Tile} title=${t("portal.journal")} value=${bytes(now.journal.bytes)} to="/journal"
            note=${t("portal.room", { room: bytes(now.disk.room_bytes) })} />
    </dl>`;
}

/* --- the last hour --- */

/* Samples that the server kept, with what came live since. */
function useSamples() {
    const [columns, setColumns] = useState(null);
    const now = status.value;
    const live = liveState.value === "live";
    useEffect(() => {
        if (live) { /* after a pause, too: the server has what was missed */
            api.get("/status/samples", { query: { minutes: 60 } }).then(
                (answer) => setColumns(columnsOf(answer)),
                () => setColumns(columnsOf({ every_ms: 5000, samples: [] })));
        }
    }, [live]);
    useEffect(() => {
        if (now && columns) {
            setColumns(append(columns, sampleOf(now, Date.now())));
        }
    }, [now]);
    return columns;
}

const most = (values) => values.reduce((high, value) => Math.max(high, value ?? 0), 0);
const least = (values) => values.reduce(
    (low, value) => (value === null ? low : Math.min(low, value)), Infinity);

function LastHour() {
    const columns = useSamples();
    if (!columns) {
        return html`<${Loading} />`;
    }
    if (columns.times.length < 2) {
        return html`<p class="quiet">${t("portal.no_samples")}</p>`;
    }
    const charts = [
        ["writes", t("portal.chart_writes"), compact],
        ["connected", t("portal.chart_connected"), compact],
        ["lag", t("portal.chart_lag"), compact],
        ["journal_bytes", t("portal.chart_journal"), bytes, true],
    ];
    return html`<div class="charts">${charts.map(([name, label, format, binary]) => html`
        <${Chart} key=${name} binary=${binary} label=${label}
            times=${columns.times} values=${columns[name]}
            format=${format} summary=${t("portal.chart_summary", {
                label, low: format(least(columns[name])), high: format(most(columns[name])),
            })} />`)}</div>`;
}

/* --- the rest --- */

function Details({ now }) {
    const { digests } = now;
    return html`<${Definitions} rows=${[
        [t("portal.version"), html`<span translate="no">${now.version}</span>`],
        [t("portal.uptime"), duration(now.uptime_ms)],
        [t("portal.history"), html`<code translate="no">${now.history}</code>`],
        [t("portal.hash"), html`<code translate="no">${now.hash}</code>`],
        [t("portal.journal_from"), html`<${Seq} value=${now.journal.floor} />`],
        [t("portal.journal_files"), bytes(now.journal.file_bytes)],
        [t("portal.verified"), html`<${Time} at=${digests.round} never=${t("portal.no_round")} />
            <span class="quiet"> ${t("portal.verified_note", {
                checked: digests.checked, wrong: digests.wrong, healed: digests.healed,
            })}</span>`],
    ]} />`;
}

function Headline({ now }) {
    const well = now.warnings.length === 0 && now.state === "running";
    return html`<section class="card headline">
        <${StateBadge} state=${now.state} />
        <p>${t(`portal.state_${stateKey(now.state)}`)}
            ${now.state_text && html` <span lang="en">${now.state_text}</span>`}
            ${well && html` ${t("portal.all_well")}`}</p>
        <a href=${href("/sync")}>${t("nav.sync")}</a>
    </section>`;
}

/* The numbers below are of a while ago: that is said first. */
function Silence() {
    return html`<section class="card headline" role="status">
        <${LiveBadge} state=${liveState.value} />
        <p>${tx("portal.silence", { when: html`<${Time} at=${heardAt.value} both />` })}</p>
    </section>`;
}

export default function Portal() {
    const now = status.value;
    lang.value; /* texts made by functions below are drawn again, too */
    const title = t("nav.portal");
    if (!now) {
        const away = liveState.value === "waiting" || liveState.value === "ended";
        return html`<${Page} title=${title}>${away
            ? html`<${ProblemView} problem=${{ status: 0, code: "unreachable" }} />`
            : html`<${Loading} />`}<//>`;
    }
    const stale = liveState.value !== "live";
    return html`<${Page} title=${title} actions=${html`<${LiveBadge} state=${liveState.value} />`}>
        <div class=${stale ? "stale" : ""}>
            <${stale ? Silence : Headline} now=${now} />
            <${Warnings} now=${now} />
            <${Tiles} now=${now} />
            <section class="card" aria-labelledby="hour-title">
                <h2 id="hour-title">${t("portal.last_hour")}</h2><${LastHour} /></section>
            <section class="card" aria-labelledby="details-title">
                <h2 id="details-title">${t("portal.details")}</h2>
                <${Details} now=${now} /></section>
            <${CopyCommand} command=${command("kitbagctl", "status")} />
        </div>
    <//>`;
}
