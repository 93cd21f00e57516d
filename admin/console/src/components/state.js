/* state.js - the server's state, as a badge. */
import { t } from "../i18n.js";
import { html } from "../lib.js";
import { liveState, STATE_KINDS, stateKey, status } from "../live.js";
import { Badge } from "./small.js";

/* <${StateBadge} state="running" /> */
export function StateBadge({ state }) {
    return html`<${Badge} kind=${STATE_KINDS[state] ?? "bad"}>${t(`state.${stateKey(state)}`)}<//>`;
}

/* The state as it is now; while the server is not heard of, that, and no state from before. */
export function LiveState() {
    if (status.value && liveState.value === "live") {
        return html`<${StateBadge} state=${status.value.state} />`;
    }
    return liveState.value === "waiting" && html`<${Badge} kind="bad">${t("state.away")}<//>`;
}

/* Whether what is shown is of now: "Live", or since when it is not. */
export function LiveBadge({ state }) {
    return state === "live"
        ? html`<${Badge} kind="ok">${t("state.live")}<//>`
        : html`<${Badge} kind="warn">${t("state.reconnecting")}<//>`;
}
