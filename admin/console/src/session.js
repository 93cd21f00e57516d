/* session.js - who is signed in, and what they may do.
 *
 * `session` is undefined until the server was asked, null when nobody is signed in, else {name,
 * role, csrf, expires_at, via, must_change}. When a session ends under way, `expired` is true: the
 * page stays, the sign-in dialog lies over it, and what was asked goes on after it (api.js). */
import { signal } from "@preact/signals";

import { request } from "./request.js";

export const session = signal(undefined);
export const expired = signal(false);

const ROLES = ["viewer", "operator", "admin"];

/* Whether who is signed in has at least that role. Only what is shown depends on it: the server
 * checks by itself. */
export function can(role) {
    return ROLES.indexOf(session.value?.role) >= ROLES.indexOf(role);
}

let waiting = [];
let typed = null;

/* The password that was typed at signing in, for as long as it has to be changed: "" when it is
 * not known. */
export const typedPassword = () => typed ?? "";

/* With a password that somebody else made, nothing can be done but choosing another: what waits
 * goes on after that. */
function signedIn(who) {
    session.value = who;
    expired.value = false;
    if (who.must_change) {
        return;
    }
    typed = null;
    const resume = waiting;
    waiting = [];
    resume.forEach((go) => go());
}

/* Ask who is signed in. A server that can't be reached is the caller's to tell. */
export async function loadSession() {
    try {
        signedIn((await request("GET", "/session")).data);
    } catch (problem) {
        if (problem.status !== 401) {
            throw problem;
        }
        session.value = null;
    }
}

/* Throws a Problem: bad_credentials, locked (with retry_after_s). */
export async function signIn(name, password) {
    const who = (await request("POST", "/session", { body: { name, password } })).data;
    typed = who.must_change ? password : null;
    signedIn(who);
}

/* Ends the session on the server too, then shows the sign-in page. */
export async function signOut() {
    try {
        await loadSession(); /* its CSRF token may be a newer one */
        if (session.peek()) {
            await request("DELETE", "/session", { csrf: session.peek().csrf });
        }
    } catch (problem) {
        if (problem.status !== 401) {
            throw problem;
        }
    }
    session.value = null;
    typed = null;
    expired.value = false;
}

/* The session is over: resolves when somebody has signed in again. */
export function signedInAgain() {
    return new Promise((resolve) => {
        waiting.push(resolve);
        expired.value = true;
    });
}
