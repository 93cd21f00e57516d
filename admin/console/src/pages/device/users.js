/* users.js - whose settings a machine keeps. */
import { useList } from "../../components/list.js";
import { Pager } from "../../components/pager.js";
import { ProblemView } from "../../components/problem.js";
import { Time } from "../../components/small.js";
import { t } from "../../i18n.js";
import { html } from "../../lib.js";
import { href, path } from "../../router.js";
import { OwnerName } from "../user_data/small.js";

const REFRESH_MS = 5000;

function User({ user }) {
    return html`<li><a class="owner-link" href=${href(path("/user-data/:kind/:name",
        { kind: "user", name: user.name }))}><${OwnerName} name=${user.name} /></a>${" "}<span
        class="quiet">${t("device.signed_in")}${" "}<${Time} at=${user.since} /></span></li>`;
}

function moreText(row) {
    if (row.state === "removed") {
        return t("device.users_removed");
    }
    return row.keep === "everybody" ? t("device.users_everybody")
        : row.keep === "groups" ? t("device.users_groups") : null;
}

export function KeptUsers({ row }) {
    const list = useList(`/devices/${row.id}/users`, "users", { limit: 20 },
        { refresh_ms: REFRESH_MS });
    const more = moreText(row);
    return html`<section class="card"><h2>${t("device.users", { count: row.users })}</h2>
        ${more && html`<p>${more}</p>`}
        <${ProblemView} problem=${list.problem} retry=${list.reload} />
        ${list.rows?.length > 0 && html`<ul class="machines">${list.rows.map((user) => html`
            <${User} key=${user.name} user=${user} />`)}</ul>`}
        ${list.rows?.length === 0 && html`<p class="quiet">${t("device.users_none")}</p>`}
        <${Pager} list=${list} /></section>`;
}
