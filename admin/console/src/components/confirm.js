/* confirm.js - before something is done: what it will touch, how to undo it, and Yes or No.
 *
 *   const result = await confirmAction({
 *       title: "Delete 3 users?",
 *       fields: [{ name: "adopt", label: "...", help: "...", value: false }],
 *       preview: (values, signal) => api.post("/owners/delete", {..., dry_run: true}, { signal }),
 *       describe: (preview, values) => html`<p>...</p>`,
 *       undo: "As long as the journal reaches back, Restore brings them back.",
 *       danger: true,
 *       wide: true,
 *       yes: "Delete",
 *       run: (values, progress) => api.post("/owners/delete", {...}),
 *       command: (values) => command("kitbagctl", "user", "rm", ...names),
 *   });
 *
 * resolves to {value, values}: what `run` resolved to; null when it was not done. `fields` are
 * check boxes, or with `options: [[value, text]]` a choice, or with `type: "text"` a line
 * (`required`); the preview is made again when one changes. `run` may call progress(done, total).
 * Without `preview` it is ready at once; `describe` then gets undefined. A problem is shown in the
 * dialog, and may be tried again. */
import { t } from "../i18n.js";
import { html, signal, useEffect, useLayoutEffect, useRef, useState } from "../lib.js";
import { CopyCommand } from "./copy.js";
import { Dialog } from "./dialog.js";
import { ProblemView } from "./problem.js";
import { Field, Loading } from "./small.js";

const asked = signal(null);

export function confirmAction(options) {
    asked.peek()?.resolve(null); /* one at a time: the former was not done */
    return new Promise((resolve) => {
        asked.value = { options, resolve };
    });
}

/* The place of the dialog; once, in app.js. */
export function ConfirmHost() {
    if (!asked.value) {
        return null;
    }
    const { options, resolve } = asked.value;
    const close = (result) => {
        asked.value = null;
        resolve(result);
    };
    return html`<${Confirm} options=${options} close=${close} />`;
}

function Input({ field, value, set }) {
    if (field.options) {
        return html`<${Field} label=${field.label} help=${field.help}>${(a) => html`
            <select ...${a} value=${value} onChange=${(event) => set(event.target.value)}>
                ${field.options.map(([one, text]) => html`
                    <option value=${one} selected=${one === value}>${text}</option>`)}
            </select>`}<//>`;
    }
    if (field.type === "text") {
        return html`<${Field} label=${field.label} help=${field.help}>${(a) => html`
            <input ...${a} type="text" value=${value} required=${field.required}
                onInput=${(event) => set(event.target.value)} />`}<//>`;
    }
    return html`<div class="field">
        <label><input type="checkbox" checked=${value}
            onChange=${(event) => set(event.target.checked)} /> ${field.label}</label>
        ${field.help && html`<small class="quiet">${field.help}</small>`}
    </div>`;
}

/* What `preview` says to the values; asked again when they change. */
function usePreview(options, values) {
    const [state, setState] = useState({ loading: Boolean(options.preview) });
    const [tries, setTries] = useState(0);
    useEffect(() => {
        if (!options.preview) {
            return undefined;
        }
        const abort = new AbortController();
        setState((before) => ({ value: before.value, loading: true }));
        options.preview(values, abort.signal).then(
            (value) => setState({ value }),
            (problem) => !abort.signal.aborted && setState({ problem }));
        return () => abort.abort();
    }, [JSON.stringify(values), tries]);
    return { ...state, retry: () => setTries(tries + 1) };
}

function Progress({ progress }) {
    const [done, total] = progress ?? [];
    return html`<div class="confirm-progress" role="status">
        <progress value=${total ? done : null} max=${total ?? null}></progress>
        <span>${total ? t("common.progress", { done, total }) : t("common.working")}</span>
    </div>`;
}

function Confirm({ options, close }) {
    const fields = options.fields ?? [];
    const [values, setValues] = useState(
        Object.fromEntries(fields.map((field) => [field.name, field.value ?? false])));
    const preview = usePreview(options, values);
    const [running, setRunning] = useState(null); /* {progress} */
    const [problem, setProblem] = useState(null);
    const no = useRef(null);
    useLayoutEffect(() => no.current?.focus(), []);

    const missing = fields.some((field) => field.required && !values[field.name]);
    const ready = !preview.loading && !preview.problem && !missing && options.run;
    const run = async () => {
        setProblem(null);
        setRunning({});
        try {
            const value = await options.run(values, (done, total) =>
                setRunning({ progress: [done, total] }));
            close({ value, values });
        } catch (failure) {
            setProblem(failure);
            setRunning(null);
        }
    };
    return html`<${Dialog} title=${options.title} busy=${running !== null} wide=${options.wide}
            onClose=${() => close(null)}>
        ${preview.loading && preview.value === undefined && html`<${Loading} />`}
        <${ProblemView} problem=${preview.problem} retry=${preview.retry} />
        <div class="confirm-text" aria-live="polite" aria-busy=${preview.loading ?? false}>
            ${!preview.problem && (!options.preview || preview.value !== undefined) &&
                options.describe?.(preview.value, values)}
        </div>
        ${fields.map((field) => html`<${Input} key=${field.name} field=${field}
            value=${values[field.name]}
            set=${(value) => setValues({ ...values, [field.name]: value })} />`)}
        ${options.undo && html`<p class="undo">
            <strong>${t("common.undo")}</strong> ${options.undo}</p>`}
        <${ProblemView} problem=${problem} />
        ${running && html`<${Progress} progress=${running.progress} />`}
        ${options.command && html`<${CopyCommand} command=${options.command(values)} />`}
        <footer>
            <button ref=${no} class="secondary outline" disabled=${running !== null}
                onClick=${() => close(null)}>${options.no ?? t("common.no")}</button>
            <button class=${options.danger ? "danger" : ""} disabled=${!ready || running !== null}
                onClick=${run}>${options.yes ?? t("common.yes")}</button>
        </footer>
    <//>`;
}
