/* list.js - accounts: their role, when they last signed in, and what can be done with them. */
import { CopyCommand } from "../../components/copy.js";
import { useList } from "../../components/list.js";
import { Badge, Time } from "../../components/small.js";
import { DataTable } from "../../components/table.js";
import { command } from "../../format.js";
import { t } from "../../i18n.js";
import { html, useState } from "../../lib.js";
import { session } from "../../session.js";
import {
    addAccount, changeRole, deleteAccount, resetPassword, unlockAccount,
} from "./actions.js";
import { Secret } from "./secret.js";

const isOwn = (row) => session.value.via === "session" && row.name === session.value.name;

function State({ row }) {
    const badges = [
        row.locked && html`<${Badge} kind="warn">${t("accounts.locked")}<//>`,
        row.must_change && html`<${Badge} kind="info">${t("accounts.must_change")}<//>`,
    ].filter(Boolean);
    return badges.length > 0 ? html`<span class="badges">${badges}</span>`
        : html`<span class="quiet">–</span>`;
}

function Actions({ row, act }) {
    const button = (key, run, kind = "") => html`<button class="small outline ${kind}"
        aria-label=${t("accounts.action_of", { action: t(key), name: row.name })}
        onClick=${() => act(run(row))}>${t(key)}</button>`;
    return html`<div class="row-actions">
        ${row.locked && button("accounts.unlock", unlockAccount)}
        ${button("accounts.change_role", (one) => changeRole(one, isOwn(one)))}
        ${!isOwn(row) && button("accounts.reset", resetPassword)}
        ${button("accounts.delete", (one) => deleteAccount(one, isOwn(one)), "danger")}
    </div>`;
}

function columns(act) {
    return [
        { key: "name", title: t("accounts.name"), head: true, cell: (row) => html`
            <bdi translate="no">${row.name}</bdi>
            ${isOwn(row) && html` <${Badge} kind="quiet">${t("accounts.you")}<//>`}` },
        { key: "role", title: t("accounts.role"), cell: (row) => t(`common.role_${row.role}`) },
        { key: "last", title: t("accounts.last_sign_in"), cell: (row) => html`
            <${Time} at=${row.last_sign_in} never=${t("accounts.never")} />` },
        { key: "state", title: t("accounts.state"), cell: (row) => html`<${State} row=${row} />` },
        { key: "created", title: t("accounts.created"), wide: true,
            cell: (row) => html`<${Time} at=${row.created_at} />` },
        { key: "actions", title: t("accounts.actions"),
            cell: (row) => html`<${Actions} row=${row} act=${act} />` },
    ];
}

export function AccountList() {
    const list = useList("/accounts", "accounts", { limit: 100 }, { refresh_ms: 15000 });
    const [secret, setSecret] = useState(null);
    const act = async (action) => {
        const done = await action;
        if (done) {
            setSecret(done.password ? done : null);
            list.reload();
        }
    };
    return html`
        <div class="bar"><p class="quiet accounts-roles">${t("accounts.roles")}</p>
            <button onClick=${() => act(addAccount())}>${t("accounts.add")}</button></div>
        <${DataTable} caption=${t("accounts.accounts")} list=${list} columns=${columns(act)}
            rowKey=${(row) => row.name} empty=${t("accounts.none")} />
        <${CopyCommand} command=${command("kitbagctl", "account", "ls")} />
        ${secret && html`<${Secret} title=${t("accounts.password_title", { name: secret.name })}
            text=${secret.password} label=${t("accounts.password")}
            note=${t("accounts.password_note", { name: secret.name })}
            onClose=${() => setSecret(null)} />`}`;
}
