/* api.js - the HTTPS API, as pages use it. Paths begin after /api/v1: api.get("/devices").
 *
 * A session that ended is signed in again over the page and the request goes on; a CSRF token that
 * went stale is fetched anew once. Everything else that fails is thrown as a Problem
 * (request.js), which components/problem.js shows. */
import { EventParser } from "./event_parser.js";
import { Problem, request } from "./request.js";
import { loadSession, session, signedInAgain } from "./session.js";

export { Problem };

/* As request() of request.js, with a session. */
export async function call(method, path, options = {}) {
    for (let tries = 0; ; tries++) {
        try {
            return await request(method, path, { ...options, csrf: session.peek()?.csrf });
        } catch (problem) {
            if (problem.status === 401 && problem.code !== "bad_credentials") {
                await signedInAgain();
            } else if (problem.code === "csrf" && tries === 0) {
                await loadSession();
            } else {
                throw problem;
            }
        }
    }
}

async function data(method, path, options) {
    return (await call(method, path, options)).data;
}

/* Each resolves to the answer's document. `options`: {query, signal, headers}. */
export const api = {
    get: (path, options) => data("GET", path, options),
    post: (path, body = {}, options = {}) => data("POST", path, { ...options, body }),
    put: (path, body = {}, options = {}) => data("PUT", path, { ...options, body }),
    patch: (path, body = {}, options = {}) => data("PATCH", path, { ...options, body }),
    delete: (path, options) => data("DELETE", path, options),
};

/* All rows of a list, page by page: for await (const rows of pages("/devices", "devices", query)).
 * The reader of a list uses components/list.js, which asks for one page at a time. */
export async function* pages(path, member, query = {}, options = {}) {
    let cursor;
    do {
        const answer = await api.get(path, { ...options, query: { ...query, cursor } });
        yield answer[member];
        cursor = answer.next;
    } while (cursor);
}

const BACKOFF_MS = [1000, 2000, 5000, 10000, 30000];
const HIDDEN_MS = 60000;
const SILENCE_MS = 45000; /* the server says something every 15 s */

/* How long to wait before try number `n` (from 0); never all consoles at the same moment. */
export function backoff(n, random = Math.random()) {
    return BACKOFF_MS[Math.min(n, BACKOFF_MS.length - 1)] * (0.75 + random / 2);
}

/* Follow a stream of server-sent events for as long as the page shows it.
 *
 *   path       "/status"
 *   query      an object, or a function that gives one each time it connects (to go on where it
 *              was)
 *   events     {status: (document, event) => ...} by the event's name; event has {id, name, data}
 *   onState    told "connecting", "live", "waiting" (for the next try) or "ended"
 *   onProblem  told a Problem that another try does not mend (the stream has ended then: a role
 *              that may not, a place in the journal that is no more)
 *
 * Returns a function that ends it. It is closed while the page is hidden for over a minute, and
 * connects again with growing pauses, at once when the page is shown again; a session that ended is
 * signed in again first. */
export function follow(path, options) {
    const stream = new Stream(path, options);
    const visibility = () => stream.visible(!document.hidden);
    document.addEventListener("visibilitychange", visibility);
    stream.connect();
    return () => {
        document.removeEventListener("visibilitychange", visibility);
        stream.end();
    };
}

class Stream {
    constructor(path, { query = {}, events, onState = () => {}, onProblem = () => {} }) {
        Object.assign(this, { path, query, events, onState, onProblem });
        this.tries = 0;
        this.ended = false;
        this.abort = null; /* of the connection, while there is one */
        this.timer = 0;
        this.hiddenTimer = 0;
    }

    async connect() {
        this.shut();
        const abort = new AbortController();
        this.abort = abort;
        this.onState("connecting");
        const asked = typeof this.query === "function" ? this.query() : this.query;
        try {
            const { response } = await call("GET", this.path, {
                query: { ...asked, feed: "sse" }, headers: { Accept: "text/event-stream" },
                signal: abort.signal, raw: true,
            });
            this.onState("live");
            await this.read(response.body.getReader(), abort);
        } catch (problem) {
            if (!this.retries(problem)) {
                this.end();
                this.onState("ended");
                this.onProblem(problem);
                return;
            }
        }
        if (this.abort === abort) {
            this.again();
        }
    }

    /* Reads until the connection ends, or nothing came for so long that it must have. */
    async read(reader, abort) {
        const parser = new EventParser();
        const decoder = new TextDecoder();
        for (;;) {
            const silence = setTimeout(() => abort.abort(), SILENCE_MS);
            const { value, done } = await reader.read().finally(() => clearTimeout(silence));
            if (done) {
                return;
            }
            for (const event of parser.push(decoder.decode(value, { stream: true }))) {
                this.tries = 0;
                this.deliver(event);
            }
        }
    }

    /* A mistake of the page is for the browser's console: the connection is none the worse. */
    deliver(event) {
        try {
            this.events[event.name]?.(JSON.parse(event.data), event);
        } catch (mistake) {
            reportError(mistake);
        }
    }

    retries(problem) {
        const status = problem.status ?? 0; /* no status: the connection broke or was cut */
        return status === 0 || status === 429 || status >= 500;
    }

    again() {
        this.shut();
        if (!this.ended && !document.hidden) {
            this.onState("waiting");
            this.timer = setTimeout(() => this.connect(), backoff(this.tries++));
        }
    }

    visible(shown) {
        clearTimeout(this.hiddenTimer);
        if (!shown) {
            this.hiddenTimer = setTimeout(() => this.shut(), HIDDEN_MS);
        } else if (this.abort === null) {
            this.connect();
        }
    }

    shut() {
        clearTimeout(this.timer);
        const abort = this.abort;
        this.abort = null;
        abort?.abort();
    }

    end() {
        this.ended = true;
        clearTimeout(this.hiddenTimer);
        this.shut();
    }
}
