/* batches.js - join tokens that were made in this window and are yet to be taken along.
 *
 * They are shown once and kept nowhere: going to another page of the console loses none, leaving
 * the console asks before, and signing out forgets them. */
import { isTaken } from "../../join_tokens.js";
import { effect, signal } from "../../lib.js";
import { session } from "../../session.js";

export const batches = signal([]);

let made = 0;

/* `answer` is that of POST /enrollments; `name` of the machine whose place it is for, if any. */
export function addBatch(answer, name) {
    const batch = { ...answer, name, key: ++made, made_ms: Date.now(), taken: [], saved: false };
    batches.value = [batch, ...batches.value];
}

function change(key, members) {
    batches.value = batches.value.map((one) => (one.key === key ? { ...one, ...members } : one));
}

export const saved = (batch) => change(batch.key, { saved: true });

/* Token number `i` of it was copied. */
export const taken = (batch, i) =>
    change(batch.key, { taken: [...new Set([...batch.taken, i])] });

export function dropBatch({ key }) {
    batches.value = batches.value.filter((one) => one.key !== key);
}

/* Those that would be lost now. */
export const untaken = () => batches.peek().filter((one) => !isTaken(one));

effect(() => {
    if (session.value === null) {
        batches.value = [];
    }
});

const stay = (event) => event.preventDefault(); /* the browser asks in its own words */

effect(() => {
    const some = batches.value.some((one) => !isTaken(one));
    const act = some ? addEventListener : removeEventListener;
    act("beforeunload", stay);
});
