/* pager.js - forward and back in a list of useList; nothing when it has one page. */
import { t } from "../i18n.js";
import { html } from "../lib.js";

export function Pager({ list }) {
    if (!list.hasPrevious && !list.hasNext) {
        return null;
    }
    return html`<nav class="pager" aria-label=${t("common.pager")}>
        <button class="small outline" disabled=${!list.hasPrevious || list.loading}
            onClick=${list.previous}>‹ ${t("common.previous")}</button>
        <span class="num" role="status">${t("common.page", { page: list.page + 1 })}</span>
        <button class="small outline" disabled=${!list.hasNext || list.loading}
            onClick=${list.next}>${t("common.next")} ›</button>
    </nav>`;
}
