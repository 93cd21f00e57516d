/* change_dialog.js - one change of the journal, all that is known of it, and where to go on. */
import { Dialog } from "../../components/dialog.js";
import { GoThere } from "../../components/go_there.js";
import { Badge, Bytes, Definitions, Time } from "../../components/small.js";
import { seq as seqText } from "../../format.js";
import { t } from "../../i18n.js";
import { bagOf, changePlace, wordsOf } from "../../journal_words.js";
import { html } from "../../lib.js";
import { place, setQuery } from "../../router.js";
import { Writer } from "../owner/writer.js";
import { Bag, What } from "./small.js";

function rows(row) {
    return [
        [t("journal.what"), html`<${What} row=${row} />`],
        [t("journal.whose"), html`<${Bag} row=${row} />`],
        row.item !== undefined && wordsOf(row).name !== row.item && [t("journal.item"),
            html`<code translate="no">${row.item}</code>`],
        row.size !== undefined && [t("journal.size"), html`<${Bytes} value=${row.size} />`],
        [t("journal.who"), html`<${Writer} row=${row} />${row.origin &&
            html` <span class="quiet num" translate="no">${row.origin}</span>`}`],
        [t("journal.when"), html`<${Time} at=${row.time} both />`],
        row.set_left > 0 && [t("journal.set"), t("journal.set_left", { count: row.set_left })],
    ];
}

export function ChangeDialog({ row, onClose }) {
    const bag = bagOf(row.bag);
    const only = row.bag && row.bag !== place.value.query.bag;
    const filter = () => {
        onClose();
        setQuery({ bag: row.bag });
    };
    return html`<${Dialog} title=${t("journal.change", { seq: seqText(row.seq) })}
            onClose=${onClose}>
        <${Definitions} rows=${rows(row)} />
        ${row.masked && html`<div class="notice"><p>${bag.kind === "server"
            ? t("journal.masked_server") : t("journal.masked_item")}</p></div>`}
        ${row.conflict && html`<div class="notice warn"><p><${Badge} kind="warn"
            >${t("journal.conflict")}<//> ${t("journal.conflict_text")}</p></div>`}
        <footer>
            ${only && html`<button class="outline" onClick=${filter}>
                ${t("journal.only_this")}</button>`}
            <${GoThere} to=${changePlace(row)} onClick=${onClose} />
            <button class="secondary outline" onClick=${onClose}>${t("common.close")}</button>
        </footer>
    <//>`;
}
