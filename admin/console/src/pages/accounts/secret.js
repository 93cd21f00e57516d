/* secret.js - a password or an API token, shown this once. */
import { CopyText } from "../../components/copy.js";
import { Dialog } from "../../components/dialog.js";
import { t } from "../../i18n.js";
import { html } from "../../lib.js";

/* Escape does not close it: what it shows can't be seen again. */
export function Secret({ title, text, label, note, onClose, children }) {
    return html`<${Dialog} title=${title}>
        <p>${note}</p>
        <${CopyText} text=${text} label=${label} />
        <div class="notice warn"><p>${t("accounts.once")}</p></div>
        ${children}
        <footer><button onClick=${onClose}>${t("accounts.taken")}</button></footer>
    <//>`;
}
