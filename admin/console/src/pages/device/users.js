/* users.js - whose settings a machine keeps. */
import { useList } from "../../components/list.js";
import { Pager } from "../../components/pager.js";
import { ProblemView } from "../../components/problem.js";
import { Time } from "../../components/small.js";
import { lang, t } from "../../i18n.js";
import { html } from "../../lib.js";
import { href, path } from "../../router.js";
import { OwnerName } from "../user_data/small.js";

const REFRESH_MS = 5000;
const PAGE_ROWS = 200;

function User({ user }) {
    return html`<li><a class="owner-link" href=${href(path("/user-data/:kind/:name",
        { kind: "user", name: user.name }))}><${OwnerName} name=${user.name} /></a>${" "}<span
        class="quiet">${t("device.signed_in")}${" "}<${Time} at=${user.since} /></span></li>`;
}

/* In the order of the names, page by page: a machine keeps few enough for one. */
export function KeptUsers({ row }) {
    const list = useList(`/devices/${row.id}/users`, "users", { limit: PAGE_ROWS },
        { refresh_ms: REFRESH_MS });
    const names = new Intl.Collator(lang.value, { numeric: true });
    const rows = [...(list.rows ?? [])].sort((a, b) => names.compare(a.name, b.name));
    return html`<section class="card"><h2>${row.state === "removed"
            ? t("device.users_then", { count: row.users })
            : t("device.users", { count: row.users })}</h2>
        ${row.keep !== "signed-in" && row.state !== "removed" && html`<p>${row.keep === "groups"
            ? t("device.users_groups") : t("device.users_everybody")}</p>`}
        <${ProblemView} problem=${list.problem} retry=${list.reload} />
        ${rows.length > 0 && html`<ul class="kept-users">${rows.map((user) => html`
            <${User} key=${user.name} user=${user} />`)}</ul>`}
        ${list.rows?.length === 0 && html`<p class="quiet">${t("device.users_none")}</p>`}
        <${Pager} list=${list} /></section>`;
}
