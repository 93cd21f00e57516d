/* go_there.js - a button to where something can be seen: its text says where that is. */
import { t } from "../i18n.js";
import { html } from "../lib.js";
import { href, match } from "../router.js";

const PAGES = {
    "/user-data": "nav.delete_user_data", "/devices": "nav.confirm_device",
    "/sharing": "nav.sharing", "/join-tokens": "nav.join_tokens", "/sync": "nav.sync",
    "/audit": "nav.audit", "/accounts": "nav.accounts",
};

function textOf({ path }) {
    const owner = match("/user-data/:kind/:name", path);
    if (owner) {
        return t("live.to_owner", { name: owner.name });
    }
    return match("/devices/:id", path) ? t("live.to_machine")
        : t("live.to_page", { page: t(PAGES[path]) });
}

/* <${GoThere} to=${{path, query}} onClick=${close} />; nothing when `to` is null. */
export function GoThere({ to, onClick }) {
    return to && html`<a role="button" class="outline" href=${href(to.path, to.query)}
        onClick=${onClick}>${textOf(to)}</a>`;
}
