/* toast.js - what just happened, for a moment at the edge of the page, and to a screen reader. */
import { t } from "../i18n.js";
import { html, signal } from "../lib.js";

const toasts = signal([]);
let count = 0;

const SHOWN_MS = 8000;

function drop(id) {
    toasts.value = toasts.value.filter((toast) => toast.id !== id);
}

/* toast(text, {kind, action}): kind "ok" or "bad" (stays until it is closed); `action` is {text,
 * run}, as for undoing, and makes it stay, too. */
export function toast(text, { kind = "ok", action } = {}) {
    const id = ++count;
    toasts.value = [...toasts.value.slice(-3), { id, text, kind, action }];
    if (kind === "ok" && !action) {
        setTimeout(() => drop(id), SHOWN_MS);
    }
}

function Toast({ id, text, kind, action }) {
    const act = () => {
        drop(id);
        action.run();
    };
    return html`<div class="toast toast-${kind}">
        <span>${text}</span>
        ${action && html`<button class="small outline" onClick=${act}>${action.text}</button>`}
        <button class="icon" aria-label=${t("common.close")} onClick=${() => drop(id)}>✕</button>
    </div>`;
}

/* The place of the toasts; once, at the end of the page. */
export function Toasts() {
    return html`<div class="toasts" role="status" aria-live="polite" aria-relevant="additions">
        ${toasts.value.map((one) => html`<${Toast} key=${one.id} ...${one} />`)}
    </div>`;
}
