/* sign_in.js - signing in: a page when nobody is, a dialog over the page when a session ended. */
import { t } from "../i18n.js";
import { html, useEffect, useId, useLayoutEffect, useRef, useState } from "../lib.js";
import { expired, session, signIn, signOut } from "../session.js";
import { Dialog } from "./dialog.js";
import { LanguageSwitch, Mark, ThemeSwitch } from "./layout.js";
import { ProblemView, wordsOf } from "./problem.js";

/* What is wrong with a sign-in, in a line; other problems in full. */
function Failure({ problem }) {
    if (!problem) {
        return null;
    }
    const expected = ["bad_credentials", "locked"].includes(problem.code);
    const { title, advice } = wordsOf(problem);
    return expected
        ? html`<p class="form-problem" role="alert"><strong>${title}</strong> ${advice}</p>`
        : html`<${ProblemView} problem=${problem} />`;
}

function SignInForm({ name: known, problem: first, children }) {
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState(first);
    const form = useRef(null);
    const id = useId();
    useLayoutEffect(() => form.current.querySelector("[autofocus]").focus(), []);
    const submit = async (event) => {
        event.preventDefault();
        const { name, password } = form.current.elements;
        setBusy(true);
        setProblem(null);
        try {
            await signIn(known ?? name.value, password.value);
        } catch (failure) {
            setProblem(failure);
            setBusy(false);
            password.select();
            password.focus();
        }
    };
    return html`<form ref=${form} class="sign-in-form" onSubmit=${submit}>
        <label for="${id}-name">${t("sign_in.name")}</label>
        <input id="${id}-name" name="name" autocomplete="username" autocapitalize="none"
            spellcheck=${false} required value=${known} readonly=${Boolean(known)}
            autofocus=${!known} />
        <label for="${id}-password">${t("sign_in.password")}</label>
        <input id="${id}-password" name="password" type="password" required
            autocomplete="current-password" autofocus=${Boolean(known)} />
        <${Failure} problem=${problem} />
        <div class="form-foot">${children}
            <button type="submit" aria-busy=${busy ? "true" : null} disabled=${busy}>
                ${t("sign_in.submit")}</button></div>
    </form>`;
}

export function SignInPage({ problem }) {
    useEffect(() => {
        document.title = `${t("sign_in.title")} · Kitbag`;
    });
    return html`<div class="sign-in">
        <main class="sign-in-card">
            <div class="sign-in-brand"><${Mark} size=${44} />
                <div><h1>Kitbag</h1><p class="quiet">${t("sign_in.intro")}</p></div></div>
            <${SignInForm} problem=${problem} />
            <p class="quiet sign-in-help">${t("sign_in.help")}</p>
        </main>
        <footer class="switches"><${LanguageSwitch} /><${ThemeSwitch} /></footer>
    </div>`;
}

/* Over the page when the session ended: what was being done goes on afterwards. Another account
 * begins anew, because the page may show what it may not see. */
export function SignInDialog() {
    if (!expired.value || !session.value) {
        return null;
    }
    return html`<${Dialog} title=${t("sign_in.expired")}>
        <p>${t("sign_in.expired_text")}</p>
        <${SignInForm} name=${session.value.name}>
            <button type="button" class="secondary outline"
                onClick=${() => signOut().finally(() => location.reload())}>
                ${t("sign_in.other_account")}</button>
        <//>
    <//>`;
}
