/* layout.js - the frame of every page: mark, navigation, who is signed in, language and theme. */
import { LANGUAGES, lang, setLanguage, t } from "../i18n.js";
import { html, useEffect, useState } from "../lib.js";
import { startLive } from "../live.js";
import { href, place } from "../router.js";
import { HOME, NAVIGATION, hasPage } from "../routes.js";
import { can, session, signOut } from "../session.js";
import { setTheme, theme, THEMES } from "../theme.js";
import { PasswordDialog } from "./password.js";
import { wordsOf } from "./problem.js";
import { LiveState } from "./state.js";
import { toast } from "./toast.js";

/* The mark: a bag with two straps. */
export function Mark({ size = 28 }) {
    return html`<svg class="mark" viewBox="0 0 32 32" width=${size} height=${size}
            aria-hidden="true" focusable="false">
        <path class="mark-strap" d="M10.5 11V8.5a5.5 5.5 0 0 1 11 0V11" />
        <rect class="mark-bag" x="3" y="10" width="26" height="17" rx="6" />
        <path class="mark-seam" d="M3 17h26" />
        <path class="mark-strap" d="M9 10v17M23 10v17" />
        <rect class="mark-tag" x="13" y="14" width="6" height="6.5" rx="1.6" />
    </svg>`;
}

/* A choice of the language; on the sign-in page, too. */
export function LanguageSwitch() {
    return html`<div class="switch" role="group" aria-label=${t("common.language")}>
        ${Object.entries(LANGUAGES).map(([code, name]) => html`<button key=${code} type="button"
            lang=${code} aria-pressed=${String(lang.value === code)}
            onClick=${() => setLanguage(code)}>${name}</button>`)}
    </div>`;
}

const ICONS = {
    auto: "M8 1.500a6.500 6.500 0 1 0 0 13zM8 1.500a6.500 6.500 0 0 1 0 13",
    light: "M8 5a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM8 1v1.500M8 13.500V15M1 8h1.500M13.500 8H15" +
        "M3 3l1.100 1.100M11.900 11.900L13 13M3 13l1.100-1.100M11.900 4.100L13 3",
    dark: "M13.500 9.800A6 6 0 0 1 6.200 2.500a6 6 0 1 0 7.300 7.300z",
};

export function ThemeSwitch() {
    return html`<div class="switch" role="group" aria-label=${t("common.theme")}>
        ${THEMES.map((name) => html`<button key=${name} type="button"
            aria-pressed=${String(theme.value === name)} onClick=${() => setTheme(name)}
            aria-label=${t(`common.theme_${name}`)} title=${t(`common.theme_${name}`)}>
            <svg viewBox="0 0 16 16" width="15" height="15" aria-hidden="true"
                class=${name === "auto" ? "half" : ""}><path d=${ICONS[name]} /></svg>
        </button>`)}
    </div>`;
}

function Entry({ item, current }) {
    return html`<li><a href=${href(item.at)} aria-current=${current === item.at ? "page" : null}>
        ${t(item.text)}</a></li>`;
}

/* Only what leads somewhere and what the reader may see. */
function shownItems(items) {
    return items.filter((item) => (!item.role || can(item.role)) && hasPage(item.at));
}

function Navigation({ current }) {
    return html`<nav aria-label=${t("nav.label")} class="nav">
        ${NAVIGATION.map((part, i) => {
            const items = shownItems(part.items);
            return items.length > 0 && html`<section key=${i}>
                ${part.title && html`<h2 id="nav-${i}">${t(part.title)}</h2>`}
                <ul aria-labelledby=${part.title ? `nav-${i}` : null}>${items.map((item) => html`
                    <${Entry} key=${item.at} item=${item} current=${current} />`)}</ul>
            </section>`;
        })}
    </nav>`;
}

function Account() {
    const [leaving, setLeaving] = useState(false);
    const [changing, setChanging] = useState(false);
    const leave = async () => {
        setLeaving(true);
        try {
            await signOut();
        } catch (problem) {
            setLeaving(false);
            toast(wordsOf(problem).title, { kind: "bad" });
        }
    };
    const { name, role, via } = session.value;
    return html`<div class="account">
        <p><strong translate="no">${name}</strong>
            <span class="quiet">${t(`common.role_${role}`)}</span>
            ${via === "session" && html`<button class="link" onClick=${() => setChanging(true)}>
                ${t("password.title")}</button>`}</p>
        <button class="small outline" disabled=${leaving} onClick=${leave}>
            ${t("common.sign_out")}</button>
        ${changing && html`<${PasswordDialog} onClose=${() => setChanging(false)} />`}
    </div>`;
}

export function Layout({ nav, children }) {
    const [open, setOpen] = useState(false);
    const path = place.value.path;
    useEffect(startLive, []);
    useEffect(() => setOpen(false), [path]);
    const key = (event) => event.key === "Escape" && setOpen(false);
    const skip = (event) => {
        event.preventDefault();
        document.getElementById("content").focus();
    };
    return html`<div class="frame ${open ? "nav-open" : ""}">
        <a class="skip" href="#content" onClick=${skip}>${t("common.skip")}</a>
        <header class="side" onKeyDown=${key}>
            <div class="brand">
                <a href=${href(HOME)} class="brand-link"><${Mark} /><span>Kitbag</span></a>
                <span class="brand-state"><span class="hidden">${t("state.server")}: </span>
                    <${LiveState} /></span>
                <button class="menu-button outline" aria-expanded=${String(open)}
                    aria-controls="menu" onClick=${() => setOpen(!open)}>${t("nav.menu")}</button>
            </div>
            <div class="menu" id="menu">
                <${Navigation} current=${nav} />
                <div class="side-foot">
                    <div class="switches"><${LanguageSwitch} /><${ThemeSwitch} /></div>
                    <${Account} />
                </div>
            </div>
        </header>
        <main id="content" tabindex="-1">${children}</main>
    </div>`;
}
