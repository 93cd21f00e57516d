/* actions.js - what is done with an account. Each resolves to what was done, or null. */
import { api } from "../../api.js";
import { confirmAction } from "../../components/confirm.js";
import { toast } from "../../components/toast.js";
import { command } from "../../format.js";
import { t } from "../../i18n.js";
import { html } from "../../lib.js";
import { madeUpPassword } from "../../made_up.js";
import { loadSession } from "../../session.js";

const ROLES = ["viewer", "operator", "admin"];

export const roleOptions = () => ROLES.map((role) => [role, t(`common.role_${role}`)]);

const accountPath = (name) => `/accounts/${encodeURIComponent(name)}`;

/* What a role may do, for the one that is chosen. */
export const Role = ({ role }) => html`<p class="quiet">${t(`accounts.may_${role}`)}</p>`;

export async function addAccount() {
    const done = await confirmAction({
        title: t("accounts.add_title"),
        describe: (_, values) => html`<p>${t("accounts.add_text")}</p>
            <${Role} role=${values.role} />`,
        fields: [
            { name: "name", label: t("accounts.name"), type: "text", required: true, value: "",
                help: t("accounts.name_help") },
            { name: "role", label: t("accounts.role"), options: roleOptions(), value: "viewer" },
        ],
        yes: t("accounts.add"),
        no: t("common.cancel"),
        run: ({ name, role }) => api.post("/accounts", { name: name.trim(), role }),
        command: ({ name, role }) => command("kitbagctl", "account", "add", name.trim() || "NAME",
            "--role", role),
    });
    return done?.value ?? null;
}

export async function changeRole(row, own) {
    const done = await confirmAction({
        title: t("accounts.role_title", { name: row.name }),
        describe: (_, { role }) => html`<${Role} role=${role} />
            <p>${own ? t("accounts.role_own") : t("accounts.role_text")}</p>`,
        fields: [{ name: "role", label: t("accounts.role"), options: roleOptions(),
            value: row.role }],
        undo: t("accounts.role_undo", { role: t(`common.role_${row.role}`) }),
        yes: t("accounts.change"),
        no: t("common.cancel"),
        run: ({ role }) => api.patch(accountPath(row.name), { role },
            { headers: { "If-Match": `"${row.seq}"` } }),
        command: ({ role }) => command("kitbagctl", "account", "role", row.name, role),
    });
    if (!done) {
        return null;
    }
    toast(t("accounts.role_done", { name: row.name, role: t(`common.role_${done.value.role}`) }));
    if (own) {
        await loadSession(); /* the change ended the session */
        return null;
    }
    return done.value;
}

export async function resetPassword(row) {
    const done = await confirmAction({
        title: t("accounts.reset_title", { name: row.name }),
        describe: () => html`<p>${t("accounts.reset_text")}</p>`,
        undo: t("accounts.reset_undo"),
        danger: true,
        run: async () => {
            const password = madeUpPassword();
            await api.patch(accountPath(row.name), { password });
            return { name: row.name, password };
        },
        command: () => command("kitbagctl", "account", "passwd", row.name),
    });
    return done?.value ?? null;
}

export async function unlockAccount(row) {
    const done = await confirmAction({
        title: t("accounts.unlock_title", { name: row.name }),
        describe: () => html`<p>${t("accounts.unlock_text")}</p>`,
        run: () => api.patch(accountPath(row.name), { unlock: true }),
        command: () => command("kitbagctl", "account", "unlock", row.name),
    });
    if (done) {
        toast(t("accounts.unlock_done", { name: row.name }));
    }
    return done?.value ?? null;
}

export async function deleteAccount(row, own) {
    const body = { names: [row.name] };
    const done = await confirmAction({
        title: t("accounts.delete_title", { name: row.name }),
        preview: (_, signal) => api.post("/accounts/delete", { ...body, dry_run: true },
            { signal }),
        describe: () => html`<p>${own ? t("accounts.delete_own") : t("accounts.delete_text")}</p>`,
        undo: t("accounts.delete_undo"),
        danger: true,
        yes: t("accounts.delete"),
        no: t("common.cancel"),
        run: () => api.post("/accounts/delete", body),
        command: () => command("kitbagctl", "account", "rm", row.name),
    });
    if (!done) {
        return null;
    }
    toast(t("accounts.deleted", { name: row.name }));
    if (own) {
        await loadSession();
        return null;
    }
    return done.value;
}
