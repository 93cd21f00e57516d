/* request.js - one request to the API, and what its failure is. Pages use api.js. */

/* What went wrong: the members of the server's problem document (RFC 9457) and those it adds. A
 * server that did not answer is status 0, code "unreachable". */
export class Problem extends Error {
    constructor(status, members = {}) {
        super(members.detail ?? members.title ?? `HTTP ${status}`);
        Object.assign(this, members);
        this.status = status;
        this.code = members.code ?? (status === 0 ? "unreachable" : `http_${status}`);
        this.detail = members.detail ?? "";
    }
}

function addressOf(path, query) {
    const url = new URL(`/api/v1${path}`, location.origin);
    for (const [name, value] of Object.entries(query ?? {})) {
        if (value !== null && value !== undefined && value !== "") {
            url.searchParams.set(name, value);
        }
    }
    return url;
}

async function problemOf(response) {
    let members = {};
    try {
        members = await response.json();
    } catch {
        /* an answer of something between us and the server, in another form */
    }
    const after = Number(response.headers.get("Retry-After"));
    return new Problem(response.status, after > 0 ? { ...members, retry_after_s: after } : members);
}

/* Ask once. `body`: an object is sent as JSON, Blob and Uint8Array as they are. Returns {data,
 * etag, response}: data is the document, or with `raw` nothing, and the response is yet to be read.
 * Throws a Problem; an AbortError of `signal` passes. */
export async function request(method, path, { query, body, headers, csrf, signal, raw } = {}) {
    const plain = body === undefined || body instanceof Blob || body instanceof Uint8Array;
    const sent = { Accept: "application/json", ...headers };
    if (!plain) {
        sent["Content-Type"] = "application/json";
    }
    if (csrf && method !== "GET") {
        sent["X-CSRF-Token"] = csrf;
    }
    let response;
    try {
        response = await fetch(addressOf(path, query), {
            method, headers: sent, body: plain ? body : JSON.stringify(body), signal,
            credentials: "same-origin", cache: "no-store",
        });
    } catch (error) {
        if (error.name === "AbortError") {
            throw error;
        }
        throw new Problem(0); /* the browser tells no more than that it failed */
    }
    if (!response.ok) {
        throw await problemOf(response);
    }
    const etag = response.headers.get("ETag");
    return { data: raw ? undefined : await response.json(), etag, response };
}
