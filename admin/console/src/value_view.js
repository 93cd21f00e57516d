/* value_view.js - an item's value, as a person can look at it. Pure.
 *
 * A row of the API tells a value as text ("value"), as base64 when it is not UTF-8
 * ("value_base64"), or not at all (a secret: "masked"). JSON is written out without reading it into
 * numbers and objects: what is shown, and what an editor gives back, has every digit and every
 * member in its place. */

/* What the members of `row` say, with `prefix` before their names ("old_" in a history):
 *
 *   kind   "secret", "absent" (there is none), "empty", "binary", "json" or "text"
 *   text   of json and text, as it is
 *   base64 of binary
 *   size   in bytes, when it is known */
export function valueOf(row, prefix = "") {
    const size = row[`${prefix}size`];
    const text = row[`${prefix}value`];
    const base64 = row[`${prefix}value_base64`];
    if (row.masked && size !== undefined) {
        return { kind: "secret", size };
    }
    if (base64 !== undefined) {
        return { kind: "binary", base64, size };
    }
    if (text === undefined) {
        return { kind: "absent", size };
    }
    if (text === "") {
        return { kind: "empty", text, size: 0 };
    }
    return { kind: isJson(text) ? "json" : "text", text, size: size ?? byteLength(text) };
}

/* Whether it is a JSON object or array: a lone word or number is better shown as the text it is. */
export function isJson(text) {
    if (!/^\s*[[{]/.test(text)) {
        return false;
    }
    try {
        JSON.parse(text);
        return true;
    } catch {
        return false;
    }
}

export function byteLength(text) {
    return new TextEncoder().encode(text).length;
}

const TOKEN = /"(?:[^"\\]|\\.)*"|[^\s"{}[\],:]+|[{}[\],:]/g;

/* JSON on as many lines as it has members, each token as it was written. */
export function prettyJson(text, indent = "  ") {
    const tokens = text.match(TOKEN) ?? [];
    let depth = 0;
    let out = "";
    const line = () => `\n${indent.repeat(depth)}`;
    tokens.forEach((token, i) => {
        const empty = "[{".includes(tokens[i - 1]) && "]}".includes(token);
        if (token === "{" || token === "[") {
            depth++;
            const next = tokens[i + 1];
            out += token + (next === "}" || next === "]" ? "" : line());
        } else if (token === "}" || token === "]") {
            depth--;
            out += (empty ? "" : line()) + token;
        } else if (token === ",") {
            out += token + line();
        } else {
            out += token === ":" ? ": " : token;
        }
    });
    return out;
}

/* JSON without the white space that only serves reading. */
export function compactJson(text) {
    return (text.match(TOKEN) ?? []).join("");
}

/* What an editor begins with. */
export function editable(value) {
    return value.kind === "json" ? prettyJson(value.text) : value.text ?? "";
}

/* What is to be written: JSON that was on one line stays so. `before` is the value that there was,
 * or undefined. */
export function edited(text, json, before) {
    const spread = before?.kind === "json" && compactJson(before.text) !== before.text;
    return json && !spread ? compactJson(text) : text;
}

/* Where a text is no JSON: {line, column, message}, or null when it is. */
export function jsonError(text) {
    try {
        JSON.parse(text);
        return null;
    } catch (error) {
        const at = /position (\d+)/.exec(error.message);
        const upTo = text.slice(0, at ? Number(at[1]) : text.length).split("\n");
        return {
            line: upTo.length, column: upTo[upTo.length - 1].length + 1,
            message: error.message,
        };
    }
}

/* One line of at most `max` characters (not halves of them). */
export function preview(text, max = 120) {
    const line = isJson(text) ? compactJson(text) : text.replace(/\s+/g, " ");
    const characters = [...line.slice(0, 2 * max + 2)];
    return characters.length > max ? `${characters.slice(0, max).join("")}…` : line;
}

export function bytesOfBase64(base64) {
    return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

export function base64Of(bytes) {
    const characters = [];
    for (let at = 0; at < bytes.length; at += 4096) { /* not more arguments than a call takes */
        characters.push(String.fromCharCode(...bytes.subarray(at, at + 4096)));
    }
    return btoa(characters.join(""));
}

/* The first bytes as a hex dump: for looking at what is no text. */
export function hexDump(bytes, max = 256) {
    const lines = [];
    for (let at = 0; at < Math.min(bytes.length, max); at += 16) {
        const part = [...bytes.subarray(at, Math.min(at + 16, max))];
        const hex = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
        const text = part.map((byte) =>
            (byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
        lines.push(`${at.toString(16).padStart(6, "0")}  ${hex.padEnd(47)}  ${text}`);
    }
    return lines.join("\n");
}
