/* list.js - a list that pages from the server, and the rows that are ticked in it. */
import { somebodyIsThere } from "../activity.js";
import { api } from "../api.js";
import { useEffect, useRef, useState } from "../lib.js";
import { expired } from "../session.js";

/* A page at a time of a list that the API gives as {"<member>": [...], "next"}.
 *
 *   const list = useList("/devices", "devices", { filter, limit: 100 }, { refresh_ms: 10000 });
 *
 * list.rows (undefined until the first answer), list.loading, list.problem, list.answer (the whole
 * document of the page), list.page (from 0), list.hasPrevious, list.hasNext, list.previous(),
 * list.next(), list.reload() (returns a promise). Another query begins at its first page; while a
 * page is fetched the former rows stay. With `refresh_ms` the page is fetched again and again,
 * while it is in sight and somebody is there. `path` null: nothing is fetched. */
export function useList(path, member, query = {}, { refresh_ms = 0 } = {}) {
    const key = JSON.stringify([path, query]);
    const [where, setWhere] = useState({ key, cursors: [undefined] });
    const [state, setState] = useState({ loading: true });
    const flying = useRef(null);
    const cursors = where.key === key ? where.cursors : [undefined];

    const load = (trail, quiet) => {
        flying.current?.abort();
        const abort = new AbortController();
        flying.current = abort;
        if (!quiet) {
            setState((before) => ({ ...before, loading: true }));
        }
        const cursor = trail[trail.length - 1];
        return api.get(path, { query: { ...query, cursor }, signal: abort.signal }).then(
            (answer) => {
                setWhere({ key, cursors: trail });
                setState({ rows: answer[member], answer, loading: false });
            },
            (problem) => !abort.signal.aborted && setState((before) => (
                /* what is there may be of another query, unless it was only to be renewed */
                quiet ? { ...before, problem, loading: false } : { problem, loading: false })));
    };
    useEffect(() => {
        if (path !== null) {
            load([undefined]);
        }
        return () => flying.current?.abort();
    }, [key]);
    useEffect(() => {
        if (!refresh_ms || path === null) {
            return undefined;
        }
        const wanted = () => !document.hidden && !expired.peek() && somebodyIsThere();
        const tick = () => wanted() && load(cursors, true);
        const timer = setInterval(tick, refresh_ms);
        return () => clearInterval(timer);
    }, [key, refresh_ms, cursors]);

    return {
        ...state,
        page: cursors.length - 1,
        hasPrevious: cursors.length > 1,
        hasNext: Boolean(state.answer?.next),
        previous: () => load(cursors.slice(0, -1)),
        next: () => load([...cursors, state.answer.next]),
        reload: () => load(cursors, true),
    };
}

/* The rows that are ticked, by their key; they stay ticked when the page or the search changes.
 *
 *   const ticked = useSelection({ max: 500 });
 *
 * ticked.size, ticked.rows, ticked.keys, ticked.has(key), ticked.full, ticked.set(key, row, on),
 * ticked.clear(). */
export function useSelection({ max = Infinity } = {}) {
    const [map, setMap] = useState(new Map());
    return {
        size: map.size,
        max,
        full: map.size >= max,
        rows: [...map.values()],
        keys: [...map.keys()],
        has: (key) => map.has(key),
        set: (key, row, on) => setMap((before) => {
            const after = new Map(before);
            if (!on) {
                after.delete(key);
            } else if (after.size < max) {
                after.set(key, row);
            }
            return after;
        }),
        clear: () => setMap(new Map()),
    };
}

/* A document that is asked for once, and again when `path` or the query changes: {data, problem,
 * loading, reload}. */
export function useDocument(path, query = {}, { refresh_ms = 0 } = {}) {
    const list = useList(path, "", query, { refresh_ms });
    return { data: list.answer, problem: list.problem, loading: list.loading, reload: list.reload };
}
