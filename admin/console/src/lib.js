/* lib.js - what every component needs of the libraries, from one place.
 *
 *   import { html, useState, signal } from "../lib.js";
 *
 * Templates are htm's: html`<${Badge} kind="ok">text<//>`. No style attribute with text in it: the
 * page's policy forbids inline styles. */
import { options } from "preact";

export { html } from "htm/preact";
export { render } from "preact";
export { useEffect, useId, useLayoutEffect, useRef, useState } from "preact/hooks";
export { batch, effect, signal } from "@preact/signals";

/* translate="no" keeps a browser's translator from names. Preact sets the property of that name,
 * which is true or false, and to which any text is true. */
const before = options.vnode;
options.vnode = (vnode) => {
    if (vnode.props.translate === "no" && typeof vnode.type === "string") {
        vnode.props.translate = false;
    }
    before?.(vnode);
};
