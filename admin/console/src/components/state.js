/* state.js - the server's state, as a badge. */
import { t } from "../i18n.js";
import { html } from "../lib.js";
import { STATE_KINDS, stateKey } from "../live.js";
import { Badge } from "./small.js";

/* <${StateBadge} state="running" /> */
export function StateBadge({ state }) {
    return html`<${Badge} kind=${STATE_KINDS[state] ?? "bad"}>${t(`state.${stateKey(state)}`)}<//>`;
}

/* Whether what is shown is of now: "Live", or since when it is not. */
export function LiveBadge({ state }) {
    return state === "live"
        ? html`<${Badge} kind="ok">${t("state.live")}<//>`
        : html`<${Badge} kind="warn">${t("state.reconnecting")}<//>`;
}
