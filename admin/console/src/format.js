/* format.js - numbers, sizes, seqs and times as the reader's language writes them. Pure: each
 * takes the language as its last argument, the chosen one when it is left out. */
import { lang, plainNumber } from "./i18n.js";

/* 12,345 */
export function number(value, language = lang.value) {
    return value === null || value === undefined ? "–" : plainNumber(value, undefined, language);
}

/* 12.3 below ten thousand with one decimal at most, 12K above: for charts and tiles. */
export function compact(value, language = lang.value) {
    const options = Math.abs(value) < 10000
        ? { maximumFractionDigits: Math.abs(value) < 100 ? 1 : 0 }
        : { notation: "compact", maximumFractionDigits: 1 };
    return plainNumber(value, options, language);
}

/* A seq is a text of digits and may be larger than a number holds. */
export function seq(text, language = lang.value) {
    return /^\d+$/.test(text ?? "") ? plainNumber(BigInt(text), undefined, language) : "–";
}

/* How far seq `a` is behind `b`, as a number. */
export function seqDistance(a, b) {
    return Number(BigInt(b ?? 0) - BigInt(a ?? 0));
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

/* 0 B, 17.0 KiB, 1.5 GiB, 200 GiB */
export function bytes(value, language = lang.value) {
    if (value === null || value === undefined) {
        return "–";
    }
    let unit = 0;
    let amount = value;
    while (amount >= 1023.5 && unit < UNITS.length - 1) {
        amount /= 1024;
        unit++;
    }
    const digits = unit > 0 && amount < 99.95 ? 1 : 0; /* always there, so that columns align */
    const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
    return `${plainNumber(amount, options, language)} ${UNITS[unit]}`;
}

export function percent(share, language = lang.value) {
    return plainNumber(share, { style: "percent", maximumFractionDigits: 1 }, language);
}

const STEPS = [
    ["day", 86400000],
    ["hour", 3600000],
    ["minute", 60000],
    ["second", 1000],
];

/* The largest unit that fits, rounded down: [3, "hour"]. */
function largest(ms) {
    const [unit, size] = STEPS.find(([, step]) => ms >= step) ?? STEPS[STEPS.length - 1];
    return [Math.floor(ms / size), unit, size];
}

/* How long something lasts, in two units at most: "2 days 3 hours". */
export function duration(ms, language = lang.value) {
    const write = (amount, unit) =>
        plainNumber(amount, { style: "unit", unit, unitDisplay: "long" }, language);
    const [amount, unit, size] = largest(ms);
    const rest = ms - amount * size;
    const next = STEPS[STEPS.findIndex(([name]) => name === unit) + 1];
    if (!next || rest < next[1]) {
        return write(amount, unit);
    }
    return `${write(amount, unit)} ${write(Math.floor(rest / next[1]), next[0])}`;
}

/* "3 minutes ago", "in 2 hours", "now": `at` is ISO text or milliseconds. */
export function relative(at, now = Date.now(), language = lang.value) {
    const ms = new Date(at).getTime() - now;
    const words = new Intl.RelativeTimeFormat(language, { numeric: "auto" });
    if (Math.abs(ms) < 5000) {
        return words.format(0, "second");
    }
    const [amount, unit] = largest(Math.abs(ms));
    return words.format(ms < 0 ? -amount : amount, unit);
}

/* Date and time in the reader's zone, to the second. */
export function absolute(at, language = lang.value) {
    return new Intl.DateTimeFormat(language, {
        dateStyle: "medium", timeStyle: "medium", hourCycle: "h23",
    }).format(new Date(at));
}

/* The time of day, to the second: for lists of one day and axes. */
export function clock(at, language = lang.value, seconds = true) {
    return new Intl.DateTimeFormat(language, {
        hour: "2-digit", minute: "2-digit", ...(seconds ? { second: "2-digit" } : {}),
        hourCycle: "h23",
    }).format(new Date(at));
}

/* A word for a POSIX shell: in quotes only when it needs them. */
export function shellWord(text) {
    return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/* command("kitbagctl", "user", "rm", name) -> text to paste into a shell. Words that are null or
 * undefined are left out. */
export function command(...words) {
    return words.flat().filter((word) => word !== null && word !== undefined)
        .map((word) => shellWord(String(word))).join(" ");
}
