/* activity.js - whether somebody is there.
 *
 * What a page fetches again by itself counts as a request of its session, as any other does; it
 * would keep the session of somebody who went away from ending. So pages stop renewing themselves
 * when nobody moved, typed or touched for a while. (The stream of live.js keeps no session.) */

const GONE_MS = 10 * 60000;

let last = Date.now();

/* Take notice from now on. */
export function startActivity(target = globalThis) {
    for (const event of ["pointerdown", "pointermove", "keydown", "wheel"]) {
        target.addEventListener(event, () => {
            last = Date.now();
        }, { passive: true });
    }
}

export function somebodyIsThere(now = Date.now()) {
    return now - last < GONE_MS;
}
