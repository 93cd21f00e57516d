/* page.js - the head of a page: its title, what it is for, its actions. */
import { t } from "../i18n.js";
import { html, useEffect, useLayoutEffect, useRef } from "../lib.js";
import { href } from "../router.js";
import { HOME } from "../routes.js";

let arrived = false;

/* <${Page} title=${t("devices.title")} intro=${...} back=${{href, text}} actions=${vnodes}>: every
 * page is one of these. It names the browser's tab, and when the reader comes from another page it
 * takes the focus to the title, so that a screen reader says where they are. */
export function Page({ title, intro, back, actions, children }) {
    const heading = useRef(null);
    useLayoutEffect(() => { /* before anybody can go on with a key */
        if (arrived) {
            heading.current.focus({ preventScroll: true });
            scrollTo(0, 0);
        }
        arrived = true;
    }, []);
    useEffect(() => {
        document.title = `${title} · Kitbag`;
    }, [title]);
    return html`<div class="page">
        <header class="page-head">
            <div class="page-title">
                ${back && html`<a class="back" href=${back.href}>‹ ${back.text}</a>`}
                <h1 ref=${heading} tabindex="-1">${title}</h1>
                ${intro && html`<p class="intro">${intro}</p>`}
            </div>
            ${actions && html`<div class="page-actions">${actions}</div>`}
        </header>
        ${children}
    </div>`;
}

/* An address that leads nowhere. */
export function NotFound() {
    return html`<${Page} title=${t("common.no_page")} intro=${t("common.no_page_text")}>
        <p><a href=${href(HOME)}>${t("common.to_portal")}</a></p>
    <//>`;
}
