/* time_field.js - a moment to filter by, kept in the page's address. */
import { html } from "../lib.js";
import { fromField, toField } from "../moments.js";
import { place, setQuery } from "../router.js";
import { Field } from "./small.js";

/* <${TimeField} label=${t("...")} name="from" />: ?from=2026-11-22T17:51:37.000Z */
export function TimeField({ label, name }) {
    const value = place.value.query[name];
    return html`<div class="choice"><${Field} label=${label}>${(a) => html`
        <input ...${a} type="datetime-local" step="1" value=${value ? toField(value) : ""}
            onChange=${(event) => setQuery({ [name]: fromField(event.target.value) })} />`}<//>
    </div>`;
}
