/* owner.js - one user or group: who they are, what is kept of them, what it was. */
import { Page } from "../components/page.js";
import { CopyCommand } from "../components/copy.js";
import { useDocument } from "../components/list.js";
import { ProblemView } from "../components/problem.js";
import { Badge, Bytes, Definitions, Loading, Seq, Tabs, Time } from "../components/small.js";
import { command } from "../format.js";
import { t } from "../i18n.js";
import { html, useState } from "../lib.js";
import { argumentsOf, groupsOf, ownerPath } from "../owner.js";
import { go, href, path, place } from "../router.js";
import { hasPage } from "../routes.js";
import { can } from "../session.js";
import { DeviceItems } from "./owner/devices.js";
import { History } from "./owner/history.js";
import { Items } from "./owner/items.js";
import { AsItWas } from "./owner/past.js";
import { DeleteResult, deleteOwners } from "./user_data/remove.js";
import { isPlain } from "./user_data/deleted.js";
import { restoreOwners } from "./user_data/restore.js";
import { OwnerName } from "./user_data/small.js";

const MACHINES_SHOWN = 8;

function DeviceLink({ device }) {
    const name = html`<bdi translate="no">${device.name || device.id}</bdi>`;
    return hasPage("/devices")
        ? html`<a href=${href(path("/devices/:id", device))}>${name}</a>` : name;
}

/* One machine that holds them, since when, and by what right. */
function Machine({ device }) {
    return html`<li><${DeviceLink} device=${device} />${" "}<span class="quiet">${
        device.why === "keep" ? t("owner.by_right")
            : html`${t("owner.signed_in")}${" "}<${Time} at=${device.since} />`}</span>
        ${device.connected && html`${" "}<${Badge} kind="ok">${t("owner.connected")}<//>`}</li>`;
}

function Machines({ answer }) {
    const { devices } = answer;
    if (devices.length === 0) {
        return html`<span class="quiet">${t("owner.no_machine")}</span>`;
    }
    const more = devices.length - MACHINES_SHOWN;
    return html`<ul class="machines">
        ${devices.slice(0, MACHINES_SHOWN).map((device) => html`
            <${Machine} key=${device.id} device=${device} />`)}
        ${more > 0 && html`<li class="quiet">${answer.next ? t("owner.machines_many")
            : t("owner.machines_more", { count: more })}</li>`}
    </ul>`;
}

function Groups({ names }) {
    return names.length === 0 ? html`<span class="quiet">${t("owner.no_group")}</span>`
        : html`<ul class="machines">${names.map((name) => html`<li key=${name}>
            <a href=${href(path("/user-data/:kind/:name", { kind: "group", name }))}
                ><${OwnerName} name=${name} /></a></li>`)}</ul>`;
}

/* When the server remembers no sign-in, the machines at which they are signed in still tell. */
function lastSignIn(owner, machines) {
    const since = machines?.devices.map((device) => device.since ?? "") ?? [];
    return owner.last_sign_in ?? since.sort().pop();
}

function About({ kind, owner, machines, groups }) {
    return html`<section class="card"><${Definitions} rows=${[
        [t("owner.items"), html`${t("owner.count_items", { count: owner.items })} · <${Bytes}
            value=${owner.bytes} />${owner.hidden > 0 && html` <span class="quiet">${
                t("owner.hidden", { count: owner.hidden })}</span>`}`],
        kind === "user" && groups && [t("owner.groups"), html`<${Groups} names=${groups} />`],
        kind === "user" && [t("owner.last_sign_in"),
            html`<${Time} at=${lastSignIn(owner, machines)} both never=${t("owner.never")} />`],
        machines && [t("owner.machines"), html`<${Machines} answer=${machines} />`],
        [t("owner.seq"), html`<${Seq} value=${owner.seq} />`],
    ]} /></section>`;
}

/* A name that nobody bears now: perhaps somebody did. */
function Gone({ kind, name, problem, reload }) {
    const { data } = useDocument("/owners/deleted", { search: name, kind, limit: 100 });
    const fold = (text) => text.normalize("NFKC").toLowerCase();
    const rows = data?.deleted.filter((row) => fold(row.name) === fold(name)) ?? [];
    if (!data || rows.length === 0) {
        return html`<${ProblemView} problem=${data && problem} retry=${reload} />`;
    }
    const restore = async (row) => {
        const at = isPlain(row, rows) ? undefined : row.before;
        if (await restoreOwners([row], { at })) {
            reload();
        }
    };
    return html`
        ${rows.map((row, i) => html`<section class="notice warn gone" key=${row.bag_id}>
            <p><strong>${i === 0 ? t("owner.deleted") : t("owner.deleted_before")}</strong
                >${" "}<${Time} at=${row.time} both />${row.actor &&
                    `, ${t("user_data.deleted_by", { by: row.actor })}`}</p>
            <p>${t("owner.held", { items: row.items })}${row.until &&
                html`. ${t("user_data.undo_until")}${" "}<${Time} at=${row.until} both />`}</p>
            ${can("operator") && html`<button onClick=${() => restore(row)}>
                ${t("user_data.restore")}</button>`}
        </section>`)}
        <section class="card"><h2>${t("owner.history")}</h2>
            <${History} kind=${kind} name=${name} gone /></section>`;
}

const TABS = ["items", "devices", "history", "past"];

function Parts({ kind, name, owner, reload }) {
    const { tab = "items", device } = place.value.query;
    const at = path("/user-data/:kind/:name", { kind, name });
    const shown = TABS.filter((one) => one !== "devices" || kind === "user");
    const props = { kind, name, owner, onChange: reload };
    return html`
        <${Tabs} label=${t("owner.tabs")} items=${shown.map((one) => ({
            href: href(at, { tab: one === "items" ? "" : one }), text: t(`owner.tab_${one}`),
            current: one === tab,
        }))} />
        ${tab === "items" && html`<${Items} key="items" ...${props} />`}
        ${tab === "devices" && html`<${DeviceItems} ...${props} device=${device} />`}
        ${tab === "history" && html`<${History} key="history" ...${props} />`}
        ${tab === "past" && html`<${AsItWas} ...${props} />`}`;
}

export default function Owner({ kind, name }) {
    const about = useDocument(ownerPath(kind, name));
    const machines = useDocument(ownerPath(kind, name, "/devices"), { limit: 500 });
    const items = useDocument(kind === "user" ? ownerPath(kind, name, "/items") : null,
        { values: 1, limit: 200 }); /* the groups stand first: '@' is before all settings */
    const [result, setResult] = useState(null);
    const reload = () => [about, machines, items].forEach((one) => one.reload());
    const remove = async () => {
        const done = await deleteOwners([{ kind, name: about.data.name }]);
        if (done) {
            setResult(done);
            reload();
        }
    };
    const restored = () => {
        setResult(null);
        reload();
    };
    const gone = about.problem?.status === 404;
    const owner = gone ? null : about.data;
    const shown = owner?.name ?? name;
    return html`<${Page} title=${shown} intro=${t(`owner.intro_${kind}`)}
            back=${{ href: href("/user-data"), text: t("nav.delete_user_data") }}
            actions=${owner && can("operator") && html`<button class="danger outline"
                onClick=${remove}>${t("user_data.delete")}</button>`}>
        ${result && html`<${DeleteResult} key=${result.key} result=${result} onRestored=${restored}
            onClose=${() => go("/user-data")} />`}
        ${!owner && !gone && !about.problem && html`<${Loading} />`}
        ${!gone && html`<${ProblemView} problem=${about.problem} retry=${about.reload} />`}
        ${gone && html`<${Gone} kind=${kind} name=${name} problem=${about.problem}
            reload=${reload} />`}
        ${owner && html`
            <${About} kind=${kind} owner=${owner} machines=${machines.data}
                groups=${items.data && groupsOf(items.data.items)} />
            <${Parts} kind=${kind} name=${shown} owner=${owner} reload=${reload} />
            ${!place.value.query.tab && html`<${CopyCommand} command=${command("kitbagctl", kind,
                "show", "--values", argumentsOf([shown]))} />`}`}
    <//>`;
}
