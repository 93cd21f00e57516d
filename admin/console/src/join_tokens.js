/* join_tokens.js - join tokens that were just made: for how long, as a command, as a file. Pure. */

export const COUNT_MAX = 1000;

const HOUR_S = 3600;

/* For how long a token can be used: seconds, and as kitbagctl writes it. */
export const EXPIRIES = [
    [HOUR_S, "1h"], [8 * HOUR_S, "8h"], [24 * HOUR_S, "1d"], [7 * 24 * HOUR_S, "7d"],
    [30 * 24 * HOUR_S, "30d"],
];

/* The number that stands in a field; NaN when it is none from 1 to COUNT_MAX. */
export function countOf(text) {
    const number = /^\s*\d{1,4}\s*$/.test(text) ? Number(text) : NaN;
    return number >= 1 && number <= COUNT_MAX ? number : NaN;
}

/* What is typed at the machine. */
export const joinCommand = (token) => `kitbag join ${token}`;

/* The words of kitbagctl that make the same tokens. */
export function makeWords({ count, seconds, replaces }) {
    const [, time] = EXPIRIES.find(([one]) => one === seconds);
    return ["device", "token", ...(count > 1 ? ["--count", count] : []), "--expires", time,
        ...(replaces ? ["--replaces", replaces] : [])];
}

/* A batch as a file: what it is for in lines that begin with '#', then a token a line, so that a
 * script can read it. */
export function fileText(batch, remarks) {
    return [...remarks.map((line) => `# ${line}`), ...batch.tokens, ""].join("\n");
}

/* "kitbag-tokens-20261123-0120.txt", in UTC. */
export function fileName(made_ms) {
    const digits = new Date(made_ms).toISOString().replace(/\D/g, "");
    return `kitbag-tokens-${digits.slice(0, 8)}-${digits.slice(8, 12)}.txt`;
}

/* Have all tokens of a batch been taken along? `taken` are the indexes of those copied alone. */
export const isTaken = (batch) => batch.saved || batch.taken.length === batch.tokens.length;
