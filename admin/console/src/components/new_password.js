/* new_password.js - in place of all pages, for as long as somebody else knows the password, too. */
import { t } from "../i18n.js";
import { html, useEffect } from "../lib.js";
import { session, signOut, typedPassword } from "../session.js";
import { LanguageSwitch, Mark, ThemeSwitch } from "./layout.js";
import { PasswordForm } from "./password.js";

export function NewPasswordPage() {
    useEffect(() => {
        document.title = `${t("password.must_title")} · Kitbag`;
    });
    return html`<div class="sign-in">
        <main class="sign-in-card">
            <div class="sign-in-brand"><${Mark} size=${44} />
                <div><h1>${t("password.must_title")}</h1>
                    <p class="quiet" translate="no">${session.value.name}</p></div></div>
            <p>${t("password.must")}</p>
            <${PasswordForm} known=${typedPassword()}>
                <button type="button" class="secondary outline"
                    onClick=${() => signOut().catch(() => location.reload())}>
                    ${t("common.sign_out")}</button>
            <//>
        </main>
        <footer class="switches"><${LanguageSwitch} /><${ThemeSwitch} /></footer>
    </div>`;
}
