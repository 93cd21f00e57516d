/* search.js - the search by user name or group ID; what was looked for stands in the address. */
import { Choice, SearchField, Toolbar } from "../../components/search.js";
import { t } from "../../i18n.js";
import { html } from "../../lib.js";
import { place, setQuery } from "../../router.js";

/* The words of the search, and which kind is looked for. */
export function Search({ count, help, children }) {
    const { search = "", kind = "" } = place.value.query;
    return html`<${Toolbar}>
        <${SearchField} label=${t("user_data.search")} value=${search} count=${count} help=${help}
            onSearch=${(text) => setQuery({ search: text })} />
        <${Choice} label=${t("user_data.kind")} value=${kind}
            options=${[["", t("user_data.both")], ["user", t("user_data.users")],
                ["group", t("user_data.groups")]]}
            onChoose=${(value) => setQuery({ kind: value })} />
        ${children}
    <//>`;
}
