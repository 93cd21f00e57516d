/* sync.js - the state of synchronization, and starting and stopping it. */
import { Page } from "../components/page.js";
import { t } from "../i18n.js";
import { html } from "../lib.js";

export default function Sync() {
    return html`<${Page} title=${t("nav.sync")}><//>`;
}
