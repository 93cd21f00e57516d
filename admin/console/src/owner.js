/* owner.js - people and groups: their keys, their addresses, and what the server takes. Pure.
 *
 * A name may hold anything but '/', ':' and control characters; it may look like a path ("..") or
 * like HTML. */
import { byteLength } from "./value_view.js";

export const keyOf = ({ kind, name }) => `${kind}:${name}`;

/* A part of an address that is "." or ".." is taken out by every browser, encoded or not. The
 * server compares names after folding, in which a wide dot is a dot: so it is asked by that. */
function part(name) {
    return /^\.{1,2}$/.test(name) ? encodeURIComponent(name.replaceAll(".", "．"))
        : encodeURIComponent(name);
}

/* The path of a route of the API: ownerPath("user", "amara", "/items"), and of one item. */
export function ownerPath(kind, name, rest = "") {
    return `/owners/${kind}/${part(name)}${rest}`;
}

export function itemPath(kind, name, item) {
    return ownerPath(kind, name, `/items/${encodeURIComponent(item)}`);
}

/* Rows of users and groups as the bodies of requests name them: {users: [], groups: []}. */
export function namesOf(rows) {
    const names = (kind) => rows.filter((row) => row.kind === kind).map((row) => row.name);
    return { users: names("user"), groups: names("group") };
}

/* The rows in parts of at most `size`: long work in steps that can be told. */
export function inParts(rows, size) {
    const parts = [];
    for (let at = 0; at < rows.length; at += size) {
        parts.push(rows.slice(at, at + size));
    }
    return parts;
}

/* The numbers of several answers added up, their lists joined, the newest seq kept. */
export function summed(answers) {
    const total = {};
    for (const answer of answers) {
        for (const [member, value] of Object.entries(answer)) {
            if (typeof value === "number") {
                total[member] = (total[member] ?? 0) + value;
            } else if (Array.isArray(value)) {
                total[member] = [...(total[member] ?? []), ...value];
            } else if (value !== null || !(member in total)) {
                total[member] = value;
            }
        }
    }
    return total;
}

const PATH_MAX_BYTES = 255;
export const VALUE_MAX_BYTES = 1 << 20;

/* Why a text can't be an item's path: a word ("empty", "long", "slash", "dots", "control",
 * "reserved"), or null when it can. */
export function pathProblem(path) {
    const parts = path.split("/");
    if (path === "") {
        return "empty";
    }
    if (byteLength(path) > PATH_MAX_BYTES) {
        return "long";
    }
    if (parts.some((one) => one === "")) {
        return "slash";
    }
    if (parts.some((one) => one === "." || one === "..")) {
        return "dots";
    }
    if (/[\u0000-\u001f\u007f-\u009f]/.test(path)) {
        return "control";
    }
    return path.startsWith("@") ? "reserved" : null;
}

/* Items that Kitbag keeps for itself: they are shown, and not edited. */
export const isReserved = (path) => path.startsWith("@");

/* The groups that the items of a user's bag tell of. */
export function groupsOf(items) {
    return items.filter((row) => row.item.startsWith("@group/"))
        .map((row) => row.value ?? row.item.slice("@group/".length));
}

/* Words of kitbagctl for owners: users and groups are named by two commands. `words(noun, names)`
 * gives the words of one; both stand on lines of their own. */
export function commands(rows, words, command) {
    const { users, groups } = namesOf(rows);
    const lines = [["user", users], ["group", groups]].filter(([, names]) => names.length > 0)
        .map(([noun, names]) => command("kitbagctl", ...words(noun, names)));
    return lines.join("\n");
}

/* Names as arguments: one that begins with '-' would be read as an option. */
export function argumentsOf(names) {
    return names.some((name) => name.startsWith("-")) ? ["--", ...names] : names;
}

/* What becomes of what a layer holds, for the key of its words. */
export function layerState(row) {
    if (!row.there) {
        return "none";
    }
    return row.counts ? "seen" : row.initialised ? "initialised" : "unread";
}
