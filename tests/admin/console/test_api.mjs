// Asking the API: what is sent, an ended session, a stale CSRF token, lists, streams of events.
import assert from "node:assert/strict";
import test, { afterEach } from "node:test";

globalThis.location = new URL("https://server:8444/");
const listeners = new Set();
globalThis.document = {
    hidden: false,
    addEventListener: (_, listener) => listeners.add(listener),
    removeEventListener: (_, listener) => listeners.delete(listener),
};

const { api, backoff, call, follow, pages, Problem } =
    await import("../../../admin/console/src/api.js");
const { expired, loadSession, session, signIn, signOut, typedPassword } =
    await import("../../../admin/console/src/session.js");

// The server: answers in turn, and what it was asked.
let answers = [];
let asked = [];
globalThis.fetch = async (url, options) => {
    asked.push({ url: String(url).replace("https://server:8444/api/v1", ""), ...options });
    const answer = answers.shift();
    if (answer instanceof Error) {
        throw answer;
    }
    return typeof answer === "function" ? answer(options) : answer;
};
const json = (status, document, headers = {}) =>
    new Response(JSON.stringify(document), { status, headers });
const problem = (status, code) => json(status, { code, status, title: code, detail: "why" });
const who = (csrf) => json(200, { name: "ann", role: "operator", csrf, via: "session" });
const turn = (ms = 5) => new Promise((resolve) => setTimeout(resolve, ms));

afterEach(() => {
    assert.deepEqual(answers, [], "all answers were asked for");
    asked = [];
    session.value = undefined;
    expired.value = false;
});

test("a change bears the token and its body, a question neither", async () => {
    session.value = { name: "ann", csrf: "token" };
    answers = [json(200, { a: 1 }), json(200, {}), json(200, {})];
    const query = { search: "ä b", cursor: "", kind: null };
    assert.deepEqual(await api.get("/owners", { query }), { a: 1 });
    await api.post("/owners/delete", { users: ["x"] });
    await call("PUT", "/item", { body: new Uint8Array([1, 2]), headers: { "If-Match": "7" } });
    assert.equal(asked[0].url, "/owners?search=%C3%A4+b");
    assert.equal(asked[0].headers["X-CSRF-Token"], undefined);
    assert.equal(asked[0].body, undefined);
    assert.equal(asked[1].headers["X-CSRF-Token"], "token");
    assert.equal(asked[1].body, '{"users":["x"]}');
    assert.equal(asked[1].headers["Content-Type"], "application/json");
    assert.deepEqual(asked[2].body, new Uint8Array([1, 2]));
    assert.equal(asked[2].headers["If-Match"], "7");
    assert.equal(asked[2].headers["Content-Type"], undefined);
});

test("a failure is a problem with the server's words", async () => {
    answers = [problem(404, "not_found"), json(429, { code: "locked" }, { "Retry-After": "30" }),
        new Response("<html>", { status: 502 }), new TypeError("no route")];
    await assert.rejects(api.get("/a"), (error) => error instanceof Problem &&
        error.status === 404 && error.code === "not_found" && error.detail === "why");
    await assert.rejects(api.get("/a"), { code: "locked", retry_after_s: 30 });
    await assert.rejects(api.get("/a"), { code: "http_502", status: 502 });
    await assert.rejects(api.get("/a"), { code: "unreachable", status: 0 });
});

test("an ended session is signed in again, and what was asked goes on", async () => {
    session.value = { name: "ann", csrf: "old" };
    answers = [problem(401, "not_signed_in"), problem(401, "not_signed_in")];
    const both = [api.post("/a"), api.get("/b")];
    await turn();
    assert.equal(expired.value, true);
    answers = [problem(401, "bad_credentials")];
    await assert.rejects(signIn("ann", "wrong"), { code: "bad_credentials" });
    assert.equal(expired.value, true);
    answers = [who("new"), json(200, { done: 1 }), json(200, { done: 2 })];
    await signIn("ann", "right");
    assert.deepEqual(await Promise.all(both), [{ done: 1 }, { done: 2 }]);
    assert.equal(expired.value, false);
    const again = asked.filter((request) => request.url === "/a");
    assert.deepEqual(again.map((request) => request.headers["X-CSRF-Token"]), ["old", "new"]);
});

test("with a password that others know, what waits goes on after another was chosen", async () => {
    session.value = { name: "ann", csrf: "old" };
    const must = { name: "ann", role: "operator", csrf: "new", via: "session", must_change: true };
    answers = [problem(401, "not_signed_in"), json(200, must)];
    const waits = api.get("/owners");
    await turn();
    await signIn("ann", "made by another");
    await turn();
    assert.equal(asked.length, 2, "nothing else is asked for yet");
    assert.equal(session.value.must_change, true);
    assert.equal(typedPassword(), "made by another");
    answers = [who("newer"), json(200, { owners: [] })];
    await loadSession();
    assert.deepEqual(await waits, { owners: [] });
    assert.equal(typedPassword(), "", "it is kept no longer than needed");
});

test("a stale token is fetched anew, once", async () => {
    session.value = { name: "ann", csrf: "old" };
    answers = [problem(403, "csrf"), who("new"), json(200, {})];
    await api.post("/a");
    assert.equal(asked[2].headers["X-CSRF-Token"], "new");
    answers = [problem(403, "csrf"), who("new"), problem(403, "csrf")];
    await assert.rejects(api.post("/a"), { code: "csrf" });
});

test("signing out is done on the server, and over when it knows nobody", async () => {
    session.value = { name: "ann", csrf: "old" };
    answers = [who("newer"), json(200, {})];
    await signOut();
    assert.equal(asked[1].method, "DELETE");
    assert.equal(asked[1].headers["X-CSRF-Token"], "newer");
    assert.equal(session.value, null);
    answers = [problem(401, "not_signed_in")];
    session.value = { name: "ann", csrf: "old" };
    await signOut();
    assert.equal(session.value, null);
    answers = [new TypeError("away")];
    session.value = { name: "ann", csrf: "old" };
    await assert.rejects(signOut(), { code: "unreachable" });
    assert.equal(session.value.name, "ann", "the session is still there");
});

test("a list is walked to its end", async () => {
    answers = [json(200, { rows: [1, 2], next: "2" }), json(200, { rows: [3] })];
    const seen = [];
    for await (const rows of pages("/rows", "rows", { limit: 2 })) {
        seen.push(...rows);
    }
    assert.deepEqual(seen, [1, 2, 3]);
    assert.deepEqual(asked.map((request) => request.url),
        ["/rows?limit=2", "/rows?limit=2&cursor=2"]);
});

// An answer that says `text` and stays open, until it is ended from either side.
function stream(text, { end = false } = {}) {
    return ({ signal }) => new Response(new ReadableStream({
        start(controller) {
            controller.enqueue(new TextEncoder().encode(text));
            if (end) {
                controller.close();
            } else {
                signal.addEventListener("abort", () => controller.error(new Error("aborted")));
            }
        },
    }));
}

test("a stream goes on where it was when the connection ends", async () => {
    let last = "0";
    const seen = [];
    const states = [];
    const other = "event: other\ndata: {}\n\n";
    answers = [stream(`id: 7\nevent: change\ndata: {"n":1}\n\n${other}`, { end: true }),
        stream('id: 8\nevent: change\ndata: {"n":2}\n\n')];
    const end = follow("/changes", {
        query: () => ({ since: last }),
        events: { change: (document, event) => {
            seen.push(document.n);
            last = event.id;
        } },
        onState: (state) => states.push(state),
    });
    for (let tick = 0; seen.length < 2 && tick < 300; tick++) {
        await turn(10);
    }
    end();
    assert.deepEqual(seen, [1, 2]);
    assert.deepEqual(asked.map((request) => request.url),
        ["/changes?since=0&feed=sse", "/changes?since=7&feed=sse"]);
    assert.deepEqual(states, ["connecting", "live", "waiting", "connecting", "live"]);
    assert.equal(asked[1].signal.aborted, true, "ending it ends the connection");
    assert.equal(listeners.size, 0);
});

test("a page's mistake does not end its stream, and is not hidden", async () => {
    const seen = [];
    const mistakes = [];
    globalThis.reportError = (mistake) => mistakes.push(mistake.message);
    answers = [stream('event: a\ndata: {"n":1}\n\nevent: a\ndata: {"n":2}\n\n')];
    const end = follow("/changes", { events: { a: ({ n }) => {
        seen.push(n);
        if (n === 1) {
            throw new Error("a mistake");
        }
    } } });
    await turn(50);
    end();
    assert.deepEqual(mistakes, ["a mistake"]);
    assert.deepEqual(seen, [1, 2]);
    assert.equal(asked.length, 1);
});

test("a stream that another try does not mend ends with its problem", async () => {
    answers = [problem(410, "too_old")];
    const told = [];
    follow("/changes", { events: {}, onProblem: (error) => told.push(error.code) });
    await turn(20);
    assert.deepEqual(told, ["too_old"]);
    assert.equal(asked.length, 1);
});

test("a stream waits longer each time, and not all consoles for the same time", () => {
    assert.deepEqual([0, 1, 2, 3, 4, 5, 99].map((n) => backoff(n, 0.5)),
        [1000, 2000, 5000, 10000, 30000, 30000, 30000]);
    assert.equal(backoff(0, 0), 750);
    assert.equal(backoff(0, 1), 1250);
});
