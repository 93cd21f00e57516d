/* live.js - how the server is, as it says once a second; one stream for the whole console.
 *
 * `status` is the latest document of /status (null before the first), `liveState` what follow() of
 * api.js tells: "connecting", "live", "waiting" or "ended". */
import { follow } from "./api.js";
import { batch, signal } from "./lib.js";

export const status = signal(null);
export const liveState = signal("connecting");

/* When the latest document came, in ms. */
export const heardAt = signal(0);

/* Begins when somebody is signed in; returns what ends it. */
export function startLive() {
    const end = follow("/status", {
        events: {
            status: (document) => batch(() => {
                status.value = document;
                heardAt.value = Date.now();
            }),
        },
        onState: (state) => {
            liveState.value = state;
        },
    });
    return () => {
        end();
        status.value = null;
    };
}

/* The kind of badge for each state of the server. */
export const STATE_KINDS = { running: "ok", stopped: "warn", "read-only": "bad", failed: "bad" };

/* The part of a key for a state: "read-only" is read_only. */
export function stateKey(state) {
    return state in STATE_KINDS ? state.replace("-", "_") : "failed";
}
