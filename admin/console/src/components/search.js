/* search.js - a field that searches while one types. */
import { html, useEffect, useId, useLayoutEffect, useRef, useState } from "../lib.js";

const PAUSE_MS = 200;

/* <${SearchField} label=${t("...")} value=${place.value.query.search} onSearch=${(text) =>
 * setQuery({ search: text })} help="..." />: `onSearch` is told when typing pauses, at Enter, and
 * at Escape, which empties it. `count` is said to a screen reader and shown ("12 found"). */
export function SearchField({ label, value = "", onSearch, placeholder, count, help }) {
    const [text, setText] = useState(value);
    const told = useRef(value);
    const timer = useRef(0);
    const id = useId();
    const tell = (now) => {
        clearTimeout(timer.current);
        if (now !== told.current) {
            told.current = now;
            onSearch(now);
        }
    };
    useLayoutEffect(() => { /* at once: later, what was typed meanwhile would be overwritten */
        if (value !== told.current) { /* changed from outside: the way back, a link */
            told.current = value;
            setText(value);
        }
    }, [value]);
    useEffect(() => () => clearTimeout(timer.current), []);
    const input = (event) => {
        const now = event.target.value;
        setText(now);
        clearTimeout(timer.current);
        timer.current = setTimeout(() => tell(now), PAUSE_MS);
    };
    const submit = (event) => {
        event.preventDefault();
        tell(text);
    };
    const key = (event) => {
        if (event.key === "Escape" && text) {
            event.preventDefault();
            setText("");
            tell("");
        }
    };
    return html`<form class="search" role="search" onSubmit=${submit}>
        <label for=${id}>${label}</label>
        <div class="search-line">
            <input id=${id} type="search" value=${text} placeholder=${placeholder}
                autocomplete="off" autocapitalize="none" spellcheck=${false}
                aria-describedby=${help ? `${id}-help` : null} onInput=${input} onKeyDown=${key} />
            <span class="search-count quiet" role="status">${count ?? ""}</span>
        </div>
        ${help && html`<small id="${id}-help" class="quiet">${help}</small>`}
    </form>`;
}

/* <${Choice} label="State" value=${state} options=${[["", "All"], ["removed", "Removed"]]}
 * onChoose=${(value) => setQuery({ state: value })} />: one of a few. */
export function Choice({ label, value = "", options, onChoose }) {
    const id = useId();
    return html`<div class="choice">
        <label for=${id}>${label}</label>
        <select id=${id} value=${value} onChange=${(event) => onChoose(event.target.value)}>
            ${options.map(([one, text]) => html`
                <option key=${one} value=${one} selected=${one === value}>${text}</option>`)}
        </select>
    </div>`;
}

/* The line above a table: search, choices, and what can be done with the ticked rows. */
export function Toolbar({ children }) {
    return html`<div class="toolbar">${children}</div>`;
}
