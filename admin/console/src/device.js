/* device.js - machines: the state of one in a word, their order in a list, names. Pure. */
import { byteLength } from "./value_view.js";

export const UNREACHABLE_MS = 24 * 3600000;

/* "removed", "diverged" (not served), "connected", "away", "unreachable" (nothing was heard of it
 * for a day) or "unheard" (not connected, and it is not known when it was: one that joined and did
 * not connect, or of which the server remembers nothing since it was started). */
export function deviceState(row, now) {
    if (row.state !== "active") {
        return row.state;
    }
    if (row.connected) {
        return "connected";
    }
    if (row.last_seen === null) {
        return "unheard";
    }
    return now - Date.parse(row.last_seen) > UNREACHABLE_MS ? "unreachable" : "away";
}

export const DEVICE_KINDS = {
    connected: "ok", away: "quiet", unheard: "quiet", unreachable: "warn", diverged: "bad",
    removed: "quiet",
};

/* What to call it: machines may have joined without a name. */
export const deviceName = (row) => row.name || row.id;

const NAME_MAX_BYTES = 255;

/* Why a text can't be a name: "empty", "long", "control"; null when it can. */
export function nameProblem(name) {
    if (name === "") {
        return "empty";
    }
    if (byteLength(name) > NAME_MAX_BYTES) {
        return "long";
    }
    return /[\u0000-\u001f\u007f]/.test(name) ? "control" : null;
}

/* It has joined and is served, but waits for a right that it asks for. */
export const waitsForRight = (row) => row.state === "active" && row.refused !== null;

const newestFirst = (member) => (a, b) => (b[member] ?? "").localeCompare(a[member] ?? "");

/* By what a list can be in order; what needs a look comes first, the name is the name's own. */
const ORDERS = {
    name: (a, b, names) => names.compare(deviceName(a), deviceName(b)),
    seen: newestFirst("last_seen"),
    lag: (a, b) => (b.lag ?? -1) - (a.lag ?? -1),
    users: (a, b) => b.users - a.users,
};

/* The rows in order; those that are alike by name, then by ID, so that nothing moves by itself. */
export function sorted(rows, by, language) {
    const names = new Intl.Collator(language, { numeric: true, sensitivity: "base" });
    const order = ORDERS[by] ?? ORDERS.name;
    return [...rows].sort((a, b) => order(a, b, names) || ORDERS.name(a, b, names) ||
        a.id.localeCompare(b.id));
}

/* The words of `kitbagctl device ls` for what a list shows. */
export function listWords(filter, state) {
    return ["device", "ls", ...(state ? ["--state", state] : []),
        ...(filter.startsWith("-") ? ["--"] : []), ...(filter ? [filter] : [])];
}
