/* event_dialog.js - one event of the audit: all that is known of it, where it can be seen and how
 * it is undone. */
import { actionWord, isKnown, subjects, undoPlace } from "../../audit_words.js";
import { CopyCommand } from "../../components/copy.js";
import { Dialog } from "../../components/dialog.js";
import { GoThere } from "../../components/go_there.js";
import { Definitions, Seq, Time } from "../../components/small.js";
import { command } from "../../format.js";
import { hasText, t } from "../../i18n.js";
import { html } from "../../lib.js";
import { ActionWords, detailRows, From, Subjects } from "./small.js";

function rows(event) {
    return [
        [t("audit.who"), html`<span translate="no">${event.actor || "–"}</span>`],
        subjects(event).length > 0 && [t("audit.about"), html`
            <div class="audit-about"><${Subjects} event=${event} /></div>`],
        ...detailRows(event),
        [t("audit.from_where"), html`<${From} event=${event} />`],
        [t("audit.when"), html`<${Time} at=${event.time} both />`],
        [t("audit.action"), html`<code translate="no">${event.action}</code>`],
        [t("audit.seq"), html`<${Seq} value=${event.seq} />`],
    ];
}

/* How to undo it, for actions that there are words for. */
function undoText(event) {
    const key = `audit.undo_${actionWord(event)}`;
    return isKnown(event.action) && hasText(key) ? t(key) : null;
}

export function EventDialog({ event, onClose }) {
    const undo = undoText(event);
    return html`<${Dialog} title=${html`<${ActionWords} event=${event} />`} onClose=${onClose}>
        <${Definitions} rows=${rows(event)} />
        ${undo && html`<p class="undo"><strong>${t("common.undo")}</strong> ${undo}</p>`}
        <${CopyCommand} command=${command("kitbagctl", "audit", "--from", event.seq,
            "--to", event.seq)} />
        <footer>
            <${GoThere} to=${undoPlace(event)} onClick=${onClose} />
            <button class="secondary outline" onClick=${onClose}>${t("common.close")}</button>
        </footer>
    <//>`;
}
