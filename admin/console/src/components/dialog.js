/* dialog.js - something in front of the page, in the browser's own <dialog>. */
import { t } from "../i18n.js";
import { html, useId, useLayoutEffect, useRef } from "../lib.js";

/* <${Dialog} title="..." onClose=${close} busy=${false} wide=${false}>: open for as long as it is
 * drawn. Escape and the cross call onClose, unless it is busy or has no onClose. The focus stays
 * in it, and goes back to where it was. */
export function Dialog({ title, onClose, busy, wide, children }) {
    const box = useRef(null);
    const id = useId();
    useLayoutEffect(() => {
        const dialog = box.current;
        const before = document.activeElement;
        dialog.showModal();
        return () => {
            dialog.close();
            before?.isConnected && before.focus?.();
        };
    }, []);
    const cancel = (event) => {
        event.preventDefault();
        if (!busy) {
            onClose?.();
        }
    };
    return html`<dialog ref=${box} aria-labelledby=${id} onCancel=${cancel}
            class=${wide ? "wide" : ""}>
        <article>
            <header>
                <h2 id=${id}>${title}</h2>
                ${onClose && html`<button class="icon" aria-label=${t("common.close")}
                    disabled=${busy} onClick=${() => onClose()}>✕</button>`}
            </header>
            ${children}
        </article>
    </dialog>`;
}
