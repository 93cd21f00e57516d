/* password.js - one's own password: asked for the old one, twice for the new one. */
import { api } from "../api.js";
import { t } from "../i18n.js";
import { html, useState } from "../lib.js";
import { Dialog } from "./dialog.js";
import { ProblemView } from "./problem.js";
import { Field } from "./small.js";
import { toast } from "./toast.js";

const LEAST = 8;

/* What is wrong with the new password, or null. */
function mistake(fresh, again) {
    if (fresh.length > 0 && fresh.length < LEAST) {
        return t("password.short", { least: LEAST });
    }
    return again.length > 0 && fresh !== again ? t("password.differs") : null;
}

export function PasswordDialog({ onClose }) {
    const [values, setValues] = useState({ old: "", fresh: "", again: "" });
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState(null);
    const wrong = mistake(values.fresh, values.again);
    const complete = values.old && values.fresh && values.again && !wrong;
    const field = (name, label, autocomplete, error) => html`<${Field} label=${label}
        error=${error}>${(attributes) => html`<input ...${attributes} type="password" required
            autocomplete=${autocomplete} value=${values[name]} autofocus=${name === "old"}
            onInput=${(event) => setValues({ ...values, [name]: event.target.value })} />`}<//>`;
    const submit = async (event) => {
        event.preventDefault();
        setBusy(true);
        setProblem(null);
        try {
            await api.post("/session/password", { old: values.old, new: values.fresh });
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
            ${field("again", t("password.again"), "new-password", wrong)}
            <${ProblemView} problem=${problem} />
            <div class="form-foot">
                <button type="button" class="secondary outline" disabled=${busy}
                    onClick=${onClose}>${t("common.cancel")}</button>
                <button type="submit" disabled=${busy || !complete}>${t("password.submit")}</button>
            </div>
        </form>
    <//>`;
}
