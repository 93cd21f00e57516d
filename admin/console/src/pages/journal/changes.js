/* changes.js - what everybody changes, as it happens: who, where, what; back in time on demand. */
import { api } from "../../api.js";
import { CopyCommand } from "../../components/copy.js";
import {
    LiveBar, LiveNotices, LiveWaiting, Moment, useLiveRows,
} from "../../components/live_list.js";
import { Badge, Seq } from "../../components/small.js";
import { DataTable } from "../../components/table.js";
import { toast } from "../../components/toast.js";
import { wordsOf as problemWords } from "../../components/problem.js";
import { command, number, seq as seqText, seqDistance } from "../../format.js";
import { t } from "../../i18n.js";
import { html, useState } from "../../lib.js";
import { before, goOn, seqOfPlace } from "../../journal_words.js";
import { status } from "../../live.js";
import { withOlder } from "../../live_rows.js";
import { place } from "../../router.js";
import { Writer } from "../owner/writer.js";
import { BagFilter } from "./bag_filter.js";
import { ChangeDialog } from "./change_dialog.js";
import { Bag, What } from "./small.js";

const FIRST = 100; /* changes to begin with */
const LIVE_MAX = 300;
const OLDER = 200;
const OLDER_MAX = 2000;

function columns(open) {
    return [
        { key: "what", title: t("journal.what"), head: true, cell: (row) => html`
            <${What} row=${row} />
            ${row.masked && row.bag !== "server" && html` <${Badge} kind="quiet"
                >${t("journal.secret")}<//>`}
            ${row.conflict && html` <${Badge} kind="warn">${t("journal.conflict")}<//>`}` },
        { key: "bag", title: t("journal.whose"), cell: (row) => html`<${Bag} row=${row} />` },
        { key: "who", title: t("journal.who"), cell: (row) => html`<${Writer} row=${row} />` },
        { key: "time", title: t("journal.when"),
            cell: (row) => html`<${Moment} at=${row.time} />` },
        { key: "seq", title: t("journal.seq"), num: true, cell: (row) => html`
            <button class="link" onClick=${() => open(row)}
                aria-label=${t("journal.open", { seq: seqText(row.seq) })}
                ><${Seq} value=${row.seq} /></button>` },
    ];
}

/* Changes before the oldest that is shown; none are left when the journal begins there. */
function useOlder(live, bag) {
    const [state, setState] = useState({ key: bag, done: false, busy: false });
    const here = state.key === bag ? state : { done: false, busy: false };
    const oldest = live.rows[live.rows.length - 1];
    const load = async () => {
        const asked = before(oldest.seq, status.peek().history, {
            count: OLDER, floor: status.peek().journal?.floor, bag, shown: live.rows.length,
        });
        if (!asked) {
            setState({ key: bag, done: true });
            return;
        }
        live.setPaused(true); /* what is read does not move */
        setState({ key: bag, busy: true });
        try {
            const { changes } = await api.get("/changes", { query: asked });
            const isOlder = (row, last) => BigInt(row.seq) < BigInt(last.seq);
            const rows = withOlder(live.rows, changes, isOlder);
            live.set(rows);
            setState({ key: bag, done: rows.length === live.rows.length });
        } catch (problem) {
            setState({ key: bag, done: problem.code === "too_old" });
            if (problem.code !== "too_old") {
                toast(problemWords(problem).title, { kind: "bad" });
            }
        }
    };
    return { ...here, full: live.rows.length >= OLDER_MAX, load };
}

function Older({ older, live }) {
    if (live.rows.length === 0) {
        return null;
    }
    const text = older.done ? t("journal.oldest")
        : older.full ? t("journal.full", { max: OLDER_MAX }) : null;
    return html`<p class="older">${text ? html`<span class="quiet" role="status">${text}</span>`
        : html`<button class="outline" disabled=${older.busy} onClick=${older.load}>
            ${older.busy ? t("common.loading") : t("journal.older")}</button>`}</p>`;
}

/* Why a list begins anew: the place where it was is no more. */
function recover(problem) {
    if (problem.code === "too_old") {
        return t("journal.jump_old", { seq: seqText(problem.oldest) });
    }
    return ["other_history", "diverged"].includes(problem.code) ? t("journal.jump_history") : null;
}

export function Changes() {
    const { bag = "" } = place.value.query;
    const [open, setOpen] = useState(null);
    const live = useLiveRows("/changes", {
        event: "change", key: bag, room: LIVE_MAX, recover,
        ask: (at) => {
            const { query, skipped } = goOn(at, status.peek()?.seq, FIRST);
            return { query: { ...query, bag },
                notice: skipped > 0 && t("journal.jump_many", { count: skipped }) };
        },
    });
    const older = useOlder(live, bag);
    const seen = seqOfPlace(live.place);
    const newer = seen && status.value ? seqDistance(seen, status.value.seq) : 0;
    const nobody = live.problem?.code === "not_found";
    const empty = nobody ? t("journal.no_bag") : t("journal.none");
    return html`
        <${BagFilter} key=${bag} bag=${bag} />
        <${LiveNotices} live=${live} problem=${nobody ? null : live.problem} />
        ${!nobody && html`<${LiveBar} live=${live} newer=${bag ? 0 : newer}>
            <span class="quiet live-note">${t("journal.masked_text")}</span><//>`}
        ${live.settled || live.rows.length > 0
            ? html`<${DataTable} caption=${t("journal.changes")} list=${{ rows: live.rows }}
                columns=${columns(setOpen)} rowKey=${(row) => row.seq} empty=${empty} />`
            : html`<${LiveWaiting} live=${live} />`}
        <${Older} older=${older} live=${live} />
        <p class="hidden" role="status">${older.busy ? "" : live.paused
            && t("journal.shown", { count: number(live.rows.length) })}</p>
        <${CopyCommand} command=${command("kitbagctl", "journal", "tail", "--follow",
            "--lines", FIRST, bag ? ["--bag", bag] : null)} />
        ${open && html`<${ChangeDialog} row=${open} onClose=${() => setOpen(null)} />`}`;
}
