/* i18n.js - the texts of the console, in the language that the reader chose.
 *
 * A text's key is FILE.KEY: "portal.title" is "title" in locales/LANGUAGE/portal.json. {name} in a
 * text is replaced. A text that depends on a count is an object of the forms of Intl.PluralRules:
 * {"one": "{count} machine", "other": "{count} machines"}; Japanese has "other" alone. Keys are
 * written out, or as a template with a constant beginning (t(`portal.state_${state}`)), so that a
 * test can tell that each is there and used. */
import { signal } from "@preact/signals";

export const LANGUAGES = { en: "English", ja: "日本語" };

/* "en" or "ja": what reads it is drawn again when it changes. */
export const lang = signal("en");

const catalogue = signal({});
const numbers = new Map();

/* A number as the language writes it, for texts and for format.js. */
export function plainNumber(value, options, language = lang.value) {
    const key = language + JSON.stringify(options ?? null);
    if (!numbers.has(key)) {
        numbers.set(key, new Intl.NumberFormat(language, options));
    }
    return numbers.get(key).format(value);
}

/* The text of `key`, its count already chosen; the key itself when there is none, which a test
 * does not let happen. */
export function pick(texts, language, key, values = {}) {
    const text = texts[key];
    if (text === undefined) {
        return key;
    }
    if (typeof text === "string") {
        return text;
    }
    const form = new Intl.PluralRules(language).select(Number(values.count ?? 0));
    return text[form] ?? text.other;
}

/* Text and values in turn: values[0] stands between parts[0] and parts[1]. */
function filled(text, values, each) {
    return text.split(/\{(\w+)\}/).map(
        (part, i) => (i % 2 === 0 ? part : each(values[part], part)));
}

function shown(value, name) {
    if (value === undefined || value === null) {
        return `{${name}}`;
    }
    return typeof value === "number" || typeof value === "bigint" ? plainNumber(value) : value;
}

/* The text of `key` with {names} replaced by `values`; numbers are written as the language does. */
export function t(key, values = {}) {
    return filled(pick(catalogue.value, lang.value, key, values), values, shown).join("");
}

/* The same with elements among the values: tx("x.y", { name: html`<b>${name}</b>` }). */
export function tx(key, values = {}) {
    return filled(pick(catalogue.value, lang.value, key, values), values, shown);
}

/* Whether there is such a text: for codes that the server may add. */
export function hasText(key) {
    return catalogue.value[key] !== undefined;
}

/* The language to begin with: what was chosen before, else the first of the browser's that we
 * speak. */
export function firstLanguage(saved, wanted) {
    if (saved in LANGUAGES) {
        return saved;
    }
    const known = (wanted ?? []).map((tag) => tag.toLowerCase().split("-")[0]);
    return known.find((tag) => tag in LANGUAGES) ?? "en";
}

export function setTexts(language, texts) {
    catalogue.value = texts;
    lang.value = language;
}

/* What signing in and the frame need, and the pages' texts, fetched with the first page. */
const FRAME = { en: () => import("locale:en/frame"), ja: () => import("locale:ja/frame") };
const PAGES = { en: () => import("locale:en/pages"), ja: () => import("locale:ja/pages") };
let withPages = false;

async function fetchTexts(language) {
    const parts = await Promise.all(
        [FRAME[language](), withPages ? PAGES[language]() : { default: {} }]);
    setTexts(language, Object.assign({}, ...parts.map((part) => part.default)));
}

/* The texts of the pages, too, from now on. */
export async function fetchPageTexts() {
    if (!withPages) {
        withPages = true;
        await fetchTexts(lang.peek());
    }
}

/* Fetch the texts of a language and show them from now on; remembered in this browser. */
export async function setLanguage(language) {
    await fetchTexts(language);
    document.documentElement.lang = language;
    try {
        localStorage.setItem("kitbag-language", language);
    } catch {
        /* a browser that keeps nothing asks the next time again */
    }
}

export function savedLanguage() {
    try {
        return firstLanguage(localStorage.getItem("kitbag-language") ?? "", navigator.languages);
    } catch {
        return firstLanguage("", navigator.languages);
    }
}
