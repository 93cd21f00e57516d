/* focus.js - the focus is not lost: what has it may go away (a row that was deleted, a message that
 * was closed), or be out of order for a while (a button whose work is under way). A browser then
 * leaves the focus nowhere; who works with the keyboard or a screen reader would have to find the
 * place again. */

let last = null; /* had the focus last; null: somebody clicked elsewhere */

const isShown = (node) => node.isConnected && node.getClientRects().length > 0;

/* Where one goes on from when the place is no more: what lies in front, else the page's title. */
function start() {
    const dialogs = document.querySelectorAll("dialog[open]");
    return dialogs.length > 0 ? dialogs[dialogs.length - 1].querySelector("button:enabled")
        : document.querySelector("main h1[tabindex]");
}

function mend() {
    const at = document.activeElement;
    const lost = at === document.body || at === null || !isShown(at);
    if (!lost || last === null || !document.hasFocus()) {
        return;
    }
    const to = isShown(last) ? last : start(); /* what is out of order does not take it, yet */
    to?.focus({ preventScroll: true });
}

/* Watches over it from now on. */
export function keepFocus() {
    addEventListener("focusin", ({ target }) => {
        last = target;
    });
    addEventListener("pointerdown", () => {
        last = null;
    });
    new MutationObserver(mend).observe(document.body, {
        subtree: true, childList: true, attributeFilter: ["disabled", "hidden", "open"],
    });
}
