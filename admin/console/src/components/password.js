/* password.js - one's own password: asked for the old one, twice for the new one. */
import { api } from "../api.js";
import { t } from "../i18n.js";
import { html, useLayoutEffect, useRef, useState } from "../lib.js";
import { loadSession, session } from "../session.js";
import { CopyCommand } from "./copy.js";
import { Dialog } from "./dialog.js";
import { ProblemView } from "./problem.js";
import { Field } from "./small.js";
import { toast } from "./toast.js";

const LEAST = 8;

/* What is wrong with each field, as far as it is filled. */
function mistakes({ old, fresh, again }, problem) {
    const short = fresh.length > 0 && fresh.length < LEAST;
    const same = fresh.length > 0 && fresh === old;
    return {
        old: problem?.code === "bad_credentials" ? t("password.wrong") : null,
        fresh: short ? t("password.short", { least: LEAST }) : same ? t("password.same") : null,
        again: again.length > 0 && fresh !== again ? t("password.differs") : null,
    };
}

/* `known`: the old password, when it was typed a moment ago. `children` stand beside the button. */
export function PasswordForm({ known = "", onBusy, onDone, children }) {
    const [values, setValues] = useState({ old: known, fresh: "", again: "" });
    const [asksOld, setAsksOld] = useState(!known);
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState(null);
    const form = useRef(null);
    const first = asksOld ? "old" : "fresh";
    useLayoutEffect(() => form.current.querySelector("[autofocus]").focus(), [first]);
    const wrong = mistakes(values, problem);
    const complete = values.old && values.fresh && values.again && !wrong.fresh && !wrong.again;
    const field = (name, label, autocomplete) => html`<${Field} label=${label}
        error=${wrong[name]}>${(attributes) => html`<input ...${attributes} type="password" required
            autofocus=${name === first} autocomplete=${autocomplete} value=${values[name]}
            onInput=${(event) => setValues({ ...values, [name]: event.target.value })} />`}<//>`;
    const work = (on) => {
        setBusy(on);
        onBusy?.(on);
    };
    const submit = async (event) => {
        event.preventDefault();
        work(true);
        setProblem(null);
        try {
            await api.post("/session/password", { old: values.old, new: values.fresh });
            await loadSession(); /* the change began a new one */
            onDone?.();
            toast(t("password.changed"));
        } catch (failure) {
            setProblem(failure);
            setAsksOld(asksOld || failure.code === "bad_credentials");
            work(false);
        }
    };
    return html`<form ref=${form} onSubmit=${submit}>
        <input class="hidden" type="text" name="name" autocomplete="username" readonly
            tabindex="-1" aria-hidden="true" value=${session.value.name} />
        ${asksOld && field("old", t("password.old"), "current-password")}
        ${field("fresh", t("password.new"), "new-password")}
        ${field("again", t("password.again"), "new-password")}
        <${ProblemView} problem=${wrong.old ? null : problem} />
        <div class="form-foot">${children}
            <button type="submit" aria-busy=${busy ? "true" : null} disabled=${busy || !complete}>
                ${t("password.submit")}</button></div>
    </form>`;
}

export function PasswordDialog({ onClose }) {
    const [busy, setBusy] = useState(false);
    return html`<${Dialog} title=${t("password.title")} busy=${busy} onClose=${onClose}>
        <p class="quiet">${t("password.text")}</p>
        <${PasswordForm} onBusy=${setBusy} onDone=${onClose}>
            <button type="button" class="secondary outline" disabled=${busy}
                onClick=${onClose}>${t("common.cancel")}</button>
        <//>
        <${CopyCommand} command="kitbagctl account passwd" />
    <//>`;
}
