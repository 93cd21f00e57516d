/* bag_filter.js - only the changes of one user, group or machine, or of what all share. */
import { api } from "../../api.js";
import { Choice, Toolbar } from "../../components/search.js";
import { Field } from "../../components/small.js";
import { t } from "../../i18n.js";
import { bagOf, bagText } from "../../journal_words.js";
import { html, useEffect, useId, useState } from "../../lib.js";
import { setQuery } from "../../router.js";

const KINDS = ["user", "group", "device", "fleet", "server"];
const PAUSE_MS = 250;

/* Names that begin to be what is typed: [[value, label]]. */
async function suggest(kind, text, signal) {
    const limit = 10;
    if (kind === "device") {
        const query = { filter: text, limit };
        const { devices } = await api.get("/devices", { query, signal });
        return devices.map((row) => [row.id, row.name || row.id]);
    }
    const query = { kind, search: text, limit };
    const { owners } = await api.get("/owners", { query, signal });
    return owners.map((row) => [row.name, ""]);
}

function useSuggestions(kind, text) {
    const [found, setFound] = useState([]);
    useEffect(() => {
        const abort = new AbortController();
        const timer = setTimeout(() => suggest(kind, text, abort.signal).then(setFound, () => {
            /* one can type without them */
        }), PAUSE_MS);
        return () => {
            clearTimeout(timer);
            abort.abort();
        };
    }, [kind, text]);
    return found;
}

function Name({ kind, name }) {
    const [text, setText] = useState(name);
    const list = useId();
    const found = useSuggestions(kind, text);
    const ask = (event) => {
        event.preventDefault();
        setQuery({ bag: bagText(kind, text.trim()) });
    };
    return html`<form class="bag-name" onSubmit=${ask}>
        <${Field} label=${t(`journal.name_${kind}`)}>${(a) => html`<input ...${a} type="text"
            list=${list} value=${text} autocomplete="off" autocapitalize="none" spellcheck=${false}
            onInput=${(event) => setText(event.target.value)} />`}<//>
        <datalist id=${list}>${found.map(([value, label]) => html`
            <option key=${value} value=${value}>${label}</option>`)}</datalist>
        <button class="outline" disabled=${text.trim() === ""}>${t("journal.show")}</button>
    </form>`;
}

export function BagFilter({ bag }) {
    const now = bag ? bagOf(bag) : { kind: "", name: "" };
    const [kind, setKind] = useState(now.kind);
    const choose = (value) => {
        setKind(value);
        if (value === "" || bagText(value, "") !== "") {
            setQuery({ bag: bagText(value, "") });
        }
    };
    return html`<${Toolbar}>
        <${Choice} label=${t("journal.only")} value=${kind} onChoose=${choose}
            options=${[["", t("journal.all")],
                ...KINDS.map((one) => [one, t(`journal.only_${one}`)])]} />
        ${["user", "group", "device"].includes(kind) && html`<${Name} key=${kind} kind=${kind}
            name=${kind === now.kind ? now.name : ""} />`}
    <//>`;
}
