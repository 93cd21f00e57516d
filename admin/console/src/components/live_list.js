/* live_list.js - rows that a stream adds to, the newest first; pausing; what to say of it. */
import { follow } from "../api.js";
import { t } from "../i18n.js";
import { html, useEffect, useRef, useState } from "../lib.js";
import { isToday, withNewer } from "../live_rows.js";
import { absolute, clock } from "../format.js";
import { ProblemView } from "./problem.js";
import { Loading, now } from "./small.js";
import { LiveBadge } from "./state.js";

const FLUSH_MS = 250; /* rows that come at once are drawn at once */
const SETTLED_MS = 700; /* after which nothing that came means that there is nothing */
const SAY_MS = 10000; /* between two sentences to a screen reader */

const EMPTY = { rows: [], settled: false, missed: 0, arrived: 0, notice: null, problem: null };

/* Rows of a stream of the API.
 *
 *   const live = useLiveRows("/log", {
 *       event: "log",                    the event that is a row
 *       key: JSON.stringify(filter),     another key begins anew
 *       ask: (place) => ({ query }),     what to ask for; `place` is the id of the last event, null
 *                                        at first. With `notice` the rows so far are let go, and
 *                                        it says why
 *       room: 500,                       rows at most
 *       recover: (problem) => notice,    a problem after which it begins anew; null: it ends
 *   });
 *
 * live.rows, live.settled, live.state, live.problem, live.notice, live.missed (lines that the
 * server had let go before they were sent), live.arrived (rows that came since it began),
 * live.place (id of the last event), live.paused, live.setPaused(on), live.set(rows), live.retry().
 * While it is paused nothing is fetched; afterwards it goes on where it was. */
export function useLiveRows(path, { event, key, ask, room, recover = () => null }) {
    const [list, setList] = useState(EMPTY);
    const [state, setState] = useState("connecting");
    const [paused, setPaused] = useState(false);
    const [tries, setTries] = useState(0);
    const last = useRef(null);
    const begun = useRef(key);

    useEffect(() => {
        let came = [];
        let timer = 0;
        let settling = 0;
        if (begun.current !== key) {
            begun.current = key;
            last.current = null;
            setList(EMPTY);
        }
        if (paused) {
            return undefined;
        }
        const flush = () => {
            timer = 0;
            const batch = came;
            came = [];
            setList((before) => ({
                ...before, settled: true, arrived: before.arrived + batch.length,
                rows: withNewer(before.rows, batch, room).rows,
            }));
        };
        const end = follow(path, {
            query: () => {
                const { query, notice } = ask(last.current);
                if (notice) {
                    last.current = null;
                    setList({ ...EMPTY, notice });
                }
                return query;
            },
            events: {
                [event]: (row, { id }) => {
                    last.current = id;
                    came.push(row);
                    timer ||= setTimeout(flush, FLUSH_MS);
                },
                heartbeat: (_, { id }) => {
                    last.current = id;
                },
                missed: ({ missed }) => setList((before) => (
                    { ...before, missed: before.missed + missed })),
            },
            onState: (current) => {
                setState(current);
                clearTimeout(settling);
                settling = current !== "live" ? 0 : setTimeout(() => setList((before) => (
                    before.settled ? before : { ...before, settled: true })), SETTLED_MS);
            },
            onProblem: (problem) => {
                const notice = recover(problem);
                if (notice) {
                    last.current = null;
                    setList({ ...EMPTY, notice });
                    setTries((n) => n + 1);
                } else {
                    setList((before) => ({ ...before, problem, settled: true }));
                }
            },
        });
        return () => {
            end();
            clearTimeout(timer);
            clearTimeout(settling);
            if (came.length > 0 && begun.current === key) {
                flush();
            }
        };
    }, [path, key, paused, tries]);

    return {
        ...list, state, paused, setPaused, place: last.current,
        set: (rows) => setList((before) => ({ ...before, rows })),
        retry: () => {
            setList((before) => ({ ...before, problem: null }));
            setTries(tries + 1);
        },
    };
}

/* What came, told to a screen reader now and then instead of row by row. */
function Summary({ arrived }) {
    const [said, setSaid] = useState({ count: arrived, text: "" });
    const latest = useRef(arrived);
    latest.current = arrived;
    useEffect(() => {
        const timer = setInterval(() => setSaid((before) => {
            const count = latest.current - before.count;
            return count > 0 ? { count: latest.current, text: t("live.came", { count }) } : before;
        }), SAY_MS);
        return () => clearInterval(timer);
    }, []);
    return html`<span class="hidden" role="status">${said.text}</span>`;
}

/* <${LiveBar} live=${live} newer=${12}>: whether the list is live, and Pause or Go On; `newer` are
 * waiting. What else stands in the line is given as children. */
export function LiveBar({ live, newer = 0, children }) {
    const { paused, setPaused, state, problem } = live;
    return html`<div class="live-bar">
        ${paused ? html`<span class="badge badge-quiet"><span class="badge-shape"
                aria-hidden="true">○</span>${t("live.paused")}</span>`
            : !problem && html`<${LiveBadge} state=${state} />`}
        <button class="small outline" onClick=${() => setPaused(!paused)}>
            ${paused ? t("live.go_on") : t("live.pause")}</button>
        ${paused && newer > 0 && html`<span class="quiet">
            ${t("live.newer", { count: newer })}</span>`}
        <${Summary} arrived=${live.arrived} />
        ${children}
    </div>`;
}

/* Why the list is not what it was, what is missing in it, and what went wrong. */
export function LiveNotices({ live, problem = live.problem }) {
    return html`
        ${live.notice && html`<div class="notice" role="status"><p>${live.notice}</p></div>`}
        ${live.missed > 0 && html`<div class="notice warn" role="status"><p>
            ${t("live.missed", { count: live.missed })}</p></div>`}
        ${problem && html`<${ProblemView} problem=${problem} retry=${live.retry} />`}`;
}

/* Before the first rows came: it is waited for them, or the server is away. */
export function LiveWaiting({ live }) {
    return live.state === "waiting"
        ? html`<${ProblemView} problem=${{ status: 0, code: "unreachable" }} />`
        : html`<${Loading} />`;
}

/* A moment in a list that is mostly of today: its time of day, an older one in full. */
export function Moment({ at }) {
    const full = absolute(at);
    return html`<time datetime=${new Date(at).toISOString()} title=${full} class="num">${
        isToday(at, now.value) ? clock(at) : full}</time>`;
}
