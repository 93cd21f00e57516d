/* log_lines.js - lines of the server's log: levels, and the pairs that a line's text holds.
 * Pure. */

export const LEVELS = ["debug", "info", "warning", "error"];

export const LEVEL_KINDS = { debug: "quiet", info: "info", warning: "warn", error: "bad" };

/* key=value or key="quoted \" value", as docs/events.md says; what lies between stays text. */
const PAIR = /([a-z_][a-z0-9_.]*)=("(?:[^"\\]|\\.)*"|\S*)/g;

/* The text in pieces: {text} or {key, value}. Joined, they are the text again: pairs as
 * `${key}=${value}`. */
export function piecesOf(text) {
    const pieces = [];
    let at = 0;
    for (const found of text.matchAll(PAIR)) {
        if (found.index > at) {
            pieces.push({ text: text.slice(at, found.index) });
        }
        pieces.push({ key: found[1], value: found[2] });
        at = found.index + found[0].length;
    }
    return at < text.length ? [...pieces, { text: text.slice(at) }] : pieces;
}

/* The machine that a pair names; null when it names none. */
export function deviceOf({ key, value }) {
    return key === "device" && /^[0-9a-f]{16}$/.test(value) ? value : null;
}

/* How many lines of each level that needs a look. */
export function countTrouble(rows) {
    const count = (level) => rows.filter((row) => row.level === level).length;
    return { errors: count("error"), warnings: count("warning") };
}
