/* password.js - one's own password: asked for the old one, twice for the new one. */
import { api } from "../api.js";
import { t } from "../i18n.js";
import { html, useState } from "../lib.js";
import { loadSession } from "../session.js";
import { Dialog } from "./dialog.js";
import { ProblemView } from "./problem.js";
import { Field } from "./small.js";
import { toast } from "./toast.js";

const LEAST = 8;

/* What is wrong with each field, as far as it is filled. */
function mistakes({ fresh, again }, problem) {
    const short = fresh.length > 0 && fresh.length < LEAST;
    return {
        old: problem?.code === "bad_credentials" ? t("password.wrong") : null,
        fresh: short ? t("password.short", { least: LEAST }) : null,
        again: again.length > 0 && fresh !== again ? t("password.differs") : null,
    };
}

export function PasswordDialog({ onClose }) {
    const [values, setValues] = useState({ old: "", fresh: "", again: "" });
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState(null);
    const wrong = mistakes(values, problem);
    const complete = values.old && values.fresh && values.again && !wrong.fresh && !wrong.again;
    const field = (name, label, autocomplete) => html`<${Field} label=${label}
        error=${wrong[name]}>${(attributes) => html`<input ...${attributes} type="password" required
            autocomplete=${autocomplete} value=${values[name]} autofocus=${name === "old"}
            onInput=${(event) => setValues({ ...values, [name]: event.target.value })} />`}<//>`;
    const submit = async (event) => {
        event.preventDefault();
        setBusy(true);
        setProblem(null);
        try {
            await api.post("/session/password", { old: values.old, new: values.fresh });
            await loadSession(); /* the change began a new one */
            onClose();
            toast(t("password.changed"));
        } catch (failure) {
            setProblem(failure);
            setBusy(false);
        }
    };
    return html`<${Dialog} title=${t("password.title")} busy=${busy} onClose=${onClose}>
        <form onSubmit=${submit}>
            ${field("old", t("password.old"), "current-password")}
            ${field("fresh", t("password.new"), "new-password")}
            ${field("again", t("password.again"), "new-password")}
            <${ProblemView} problem=${wrong.old ? null : problem} />
            <div class="form-foot">
                <button type="button" class="secondary outline" disabled=${busy}
                    onClick=${onClose}>${t("common.cancel")}</button>
                <button type="submit" disabled=${busy || !complete}>${t("password.submit")}</button>
            </div>
        </form>
    <//>`;
}
