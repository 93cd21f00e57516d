/* person.js - only what one account or one script did; names that were seen are offered. */
import { Field } from "../../components/small.js";
import { t } from "../../i18n.js";
import { html, useId, useRef } from "../../lib.js";
import { setQuery } from "../../router.js";

export function Person({ actor, rows }) {
    const list = useId();
    const seen = useRef(new Set());
    rows.forEach((row) => row.actor && seen.current.add(row.actor));
    return html`<div class="choice person"><${Field} label=${t("audit.person")}>${(a) => html`
        <input ...${a} type="search" list=${list} value=${actor} autocomplete="off"
            autocapitalize="none" spellcheck=${false} placeholder=${t("audit.person_all")}
            onChange=${(event) => setQuery({ actor: event.target.value.trim() })} />`}<//>
        <datalist id=${list}>${[...seen.current].sort().map((name) => html`
            <option key=${name} value=${name} />`)}</datalist>
    </div>`;
}
