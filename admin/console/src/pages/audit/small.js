/* small.js - an event of the audit in words. */
import { actionWord, details, isKnown, subjects, unnamed } from "../../audit_words.js";
import { absolute } from "../../format.js";
import { hasText, t } from "../../i18n.js";
import { html } from "../../lib.js";
import { href } from "../../router.js";
import { machineName } from "../owner/writer.js";

const SUBJECTS_MAX = 3;

/* What was done, in plain words; an action that this console does not know by its name. */
export function ActionWords({ event }) {
    return isKnown(event.action) ? t(`audit.did_${actionWord(event)}`)
        : html`<span translate="no" lang="en">${event.action ?? "–"}</span>`;
}

function Subject({ subject }) {
    const { kind, name, item } = subject;
    const shown = (kind === "device" && machineName(name)) || name;
    return html`<span class="audit-subject"><span class="quiet">${t(`audit.kind_${kind}`)}</span>
        ${" "}<a href=${href(subject.path, subject.query)} translate="no"><bdi>${shown}</bdi>${
            item && html` · <code>${item}</code>`}</a></span>`;
}

/* Users, groups, machines, accounts: as links. */
export function Subjects({ event, max = Infinity }) {
    const all = subjects(event);
    const more = unnamed(event) + Math.max(0, all.length - max);
    return html`${all.slice(0, max).map((subject, i) => html`<${Subject} key=${i}
        subject=${subject} />`)}
        ${more > 0 && html`<span class="quiet">${t("audit.more", { count: more })}</span>`}`;
}

function valueText(value) {
    if (typeof value === "boolean") {
        return value ? t("common.yes") : t("common.no");
    }
    if (typeof value === "string" && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value)) {
        return absolute(value);
    }
    if (Array.isArray(value)) {
        return value.join(", ");
    }
    return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/* A member of an event: its name and value as words where there are some. */
function wordsOfDetail([member, value]) {
    const name = `audit.about_${member}`;
    const word = `audit.value_${value}`.replace(/-/g, "_");
    return [hasText(name) ? t(name) : member,
        typeof value === "string" && hasText(word) ? t(word) : valueText(value)];
}

export function detailRows(event) {
    return details(event).map(wordsOfDetail);
}

export function About({ event }) {
    const rest = detailRows(event);
    const said = subjects(event).length > 0 || rest.length > 0;
    return html`<div class="audit-about"><${Subjects} event=${event} max=${SUBJECTS_MAX} />
        ${rest.map(([name, value]) => html`
            <span key=${name} class="quiet">${name}: ${value}</span>`)}
        ${!said && html`<span class="quiet">–</span>`}</div>`;
}

/* Where they sat: an address, a script's token, or the server machine itself. */
export function From({ event }) {
    if (event.via === "local") {
        return html`<span class="audit-from">${t("audit.via_local")}</span>`;
    }
    return html`<span class="audit-from" translate="no">${event.address || "–"}</span>${
        event.via === "token" && html` <span class="quiet">${t("audit.via_token")}</span>`}`;
}
