/* tokens.js - API tokens, with which scripts come in: made, listed, deleted. */
import { api } from "../../api.js";
import { confirmAction } from "../../components/confirm.js";
import { CopyCommand } from "../../components/copy.js";
import { useList, useSelection } from "../../components/list.js";
import { Badge, Time, now } from "../../components/small.js";
import { DataTable, TickedBar } from "../../components/table.js";
import { toast } from "../../components/toast.js";
import { absolute, command } from "../../format.js";
import { t } from "../../i18n.js";
import { html, useState } from "../../lib.js";
import { Role, roleOptions } from "./actions.js";
import { Secret } from "./secret.js";

const DAYS = [1, 7, 30, 90, 365];
const DAY_S = 86400;

async function makeToken() {
    const done = await confirmAction({
        title: t("accounts.token_title"),
        describe: (_, { role }) => html`<p>${t("accounts.token_text")}</p>
            <${Role} role=${role} />`,
        fields: [
            { name: "name", label: t("accounts.token_name"), type: "text", required: true,
                value: "", help: t("accounts.token_name_help") },
            { name: "role", label: t("accounts.role"), options: roleOptions(), value: "viewer" },
            { name: "days", label: t("accounts.lasts"), value: "90",
                options: DAYS.map((days) => [String(days), t("accounts.days", { count: days })]) },
        ],
        yes: t("accounts.token_make"),
        no: t("common.cancel"),
        run: ({ name, role, days }) => api.post("/tokens",
            { name: name.trim(), role, expires_s: Number(days) * DAY_S }),
        command: ({ name, role, days }) => command("kitbagctl", "token", "new",
            name.trim() || "NAME", "--role", role, "--expires", `${days}d`),
    });
    return done?.value ?? null;
}

async function deleteTokens(rows) {
    const ids = rows.map((row) => row.id);
    const done = await confirmAction({
        title: t("accounts.token_delete_title", { count: rows.length }),
        preview: (_, signal) => api.post("/tokens/delete", { ids, dry_run: true }, { signal }),
        describe: () => html`<p>${t("accounts.token_delete_text")}</p>
            <ul class="names">${rows.map((row) => html`<li key=${row.id} translate="no"><bdi>${
                row.name}</bdi></li>`)}</ul>`,
        undo: t("accounts.token_delete_undo"),
        danger: true,
        yes: t("accounts.delete"),
        no: t("common.cancel"),
        run: () => api.post("/tokens/delete", { ids }),
        command: () => command("kitbagctl", "token", "rm", ids),
    });
    if (done) {
        toast(t("accounts.token_deleted", { count: done.value.tokens }));
    }
    return done !== null;
}

function Expires({ row }) {
    return Date.parse(row.expires_at) <= now.value
        ? html`<${Badge} kind="warn">${t("accounts.expired")}<//>`
        : html`<${Time} at=${row.expires_at} />`;
}

const columns = () => [
    { key: "name", title: t("accounts.token_name"), head: true,
        cell: (row) => html`<bdi translate="no">${row.name}</bdi>` },
    { key: "role", title: t("accounts.role"), cell: (row) => t(`common.role_${row.role}`) },
    { key: "by", title: t("accounts.by"),
        cell: (row) => html`<bdi translate="no">${row.by}</bdi>` },
    { key: "used", title: t("accounts.last_used"), cell: (row) => html`
        <${Time} at=${row.last_used} never=${t("accounts.never")} />` },
    { key: "created", title: t("accounts.created"), wide: true,
        cell: (row) => html`<${Time} at=${row.created_at} />` },
    { key: "expires", title: t("accounts.expires"), cell: (row) => html`
        <${Expires} row=${row} />` },
    { key: "id", title: t("accounts.id"), wide: true,
        cell: (row) => html`<code translate="no">${row.id}</code>` },
];

function TokenSecret({ token, onClose }) {
    return html`<${Secret} title=${t("accounts.token_made", { name: token.name })}
            text=${token.token} label=${t("accounts.token")} onClose=${onClose}
            note=${t("accounts.token_note", { when: absolute(token.expires_at) })}>
        <p class="quiet">${t("accounts.token_use")}</p>
        <pre tabindex="0"><code translate="no">${[
            `Authorization: Bearer ${token.token.slice(0, 8)}…`,
            `kitbagctl --server ${location.origin} --token-file FILE status`,
        ].join("\n")}</code></pre>
    <//>`;
}

export function TokenList() {
    const list = useList("/tokens", "tokens", { limit: 100 }, { refresh_ms: 15000 });
    const ticked = useSelection();
    const [made, setMade] = useState(null);
    const make = async () => {
        const token = await makeToken();
        if (token) {
            setMade(token);
            list.reload();
        }
    };
    const remove = async () => {
        if (await deleteTokens(ticked.rows)) {
            ticked.clear();
            list.reload();
        }
    };
    return html`
        <div class="bar"><p class="quiet accounts-roles">${t("accounts.tokens_text")}</p>
            <button onClick=${make}>${t("accounts.token_make")}</button></div>
        <${DataTable} caption=${t("accounts.tokens")} list=${list} columns=${columns()}
            selection=${ticked} rowKey=${(row) => row.id} rowName=${(row) => row.name}
            empty=${t("accounts.no_tokens")} />
        <${TickedBar} selection=${ticked}>
            <button class="danger" onClick=${remove}>${t("accounts.delete")}</button><//>
        <${CopyCommand} command=${command("kitbagctl", "token", "ls")} />
        ${made && html`<${TokenSecret} token=${made} onClose=${() => setMade(null)} />`}`;
}
