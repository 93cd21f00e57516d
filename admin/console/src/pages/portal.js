/* portal.js - how the server is, at a glance. */
import { Page } from "../components/page.js";
import { t } from "../i18n.js";
import { html } from "../lib.js";

export default function Portal() {
    return html`<${Page} title=${t("nav.portal")}><//>`;
}
