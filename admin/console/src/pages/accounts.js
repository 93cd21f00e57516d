/* accounts.js - who may come in: the accounts of administrators, and API tokens of scripts. */
import { Page } from "../components/page.js";
import { PasswordDialog } from "../components/password.js";
import { Tabs } from "../components/small.js";
import { t } from "../i18n.js";
import { html, useState } from "../lib.js";
import { href, place } from "../router.js";
import { can, session } from "../session.js";
import { AccountList } from "./accounts/list.js";
import { TokenList } from "./accounts/tokens.js";

function OwnPassword() {
    const [open, setOpen] = useState(false);
    return session.value.via === "session" && html`
        <button class="outline" onClick=${() => setOpen(true)}>
            ${t("accounts.own_password")}</button>
        ${open && html`<${PasswordDialog} onClose=${() => setOpen(false)} />`}`;
}

/* Who is no administrator sees what they are and what they may do here. */
function Others() {
    const { name, role } = session.value;
    return html`<section class="card">
        <p>${t("accounts.you_are", { name, role: t(`common.role_${role}`) })}
            ${" "}${t(`accounts.may_${role}`)}</p>
        <p>${t("accounts.only_admin")}</p>
    </section>`;
}

export default function Accounts() {
    const tokens = place.value.query.tab === "tokens";
    if (!can("admin")) {
        return html`<${Page} title=${t("nav.accounts")} actions=${html`<${OwnPassword} />`}>
            <${Others} /><//>`;
    }
    return html`<${Page} title=${t("nav.accounts")} actions=${html`<${OwnPassword} />`}
            intro=${tokens ? t("accounts.intro_tokens") : t("accounts.intro")}>
        <${Tabs} label=${t("accounts.tabs")} items=${[
            { href: href("/accounts"), text: t("accounts.accounts"), current: !tokens },
            { href: href("/accounts", { tab: "tokens" }), text: t("accounts.tokens"),
                current: tokens },
        ]} />
        ${tokens ? html`<${TokenList} />` : html`<${AccountList} />`}
    <//>`;
}
