/* join_tokens.js - Join Tokens: making them, who used them, taking them back. */
import { api, Problem } from "../api.js";
import { confirmAction } from "../components/confirm.js";
import { CopyCommand } from "../components/copy.js";
import { useList, useSelection } from "../components/list.js";
import { Page } from "../components/page.js";
import { Badge, Time } from "../components/small.js";
import { DataTable, TickedBar } from "../components/table.js";
import { toast } from "../components/toast.js";
import { command } from "../format.js";
import { t } from "../i18n.js";
import { joinCommand } from "../join_tokens.js";
import { html, useState } from "../lib.js";
import { can } from "../session.js";
import { Points, Two } from "./devices/small.js";
import { MadeTokens } from "./join_tokens/made.js";
import { MakeDialog } from "./join_tokens/make.js";
import { Writer } from "./owner/writer.js";

const REFRESH_MS = 5000;
const TICKED_MAX = 1000;

const KINDS = { new: "ok", used: "info", expired: "quiet" };

const machine = (id) => (id ? html`<${Writer} row=${{ origin: id }} />`
    : html`<span class="quiet">–</span>`);

const columns = () => [
    { key: "id", title: t("join_tokens.id"), head: true,
        cell: (row) => html`<code class="token-id" translate="no">${row.id}</code>` },
    { key: "state", title: t("join_tokens.state"), cell: (row) => html`<${Badge}
        kind=${KINDS[row.state]}>${t(`join_tokens.state_${row.state}`)}<//>` },
    { key: "made", title: t("join_tokens.made_by"), cell: (row) => html`<${Two}
        first=${html`<${Time} at=${row.created_at} />`}
        second=${row.by && html`<bdi translate="no">${row.by}</bdi>`} />` },
    { key: "expires", title: t("join_tokens.expires"), cell: (row) => (row.state === "used"
        ? html`<span class="quiet">–</span>` : html`<${Time} at=${row.expires_at} />`) },
    { key: "device", title: t("join_tokens.device"), cell: (row) => machine(row.device) },
    { key: "replaces", title: t("join_tokens.replaces"), wide: true,
        cell: (row) => machine(row.replaces) },
];

/* None of them is there any more: that is an answer, and no failure. */
async function ask(ids, members, options) {
    try {
        return await api.post("/enrollments/delete", { ids, ...members }, options);
    } catch (problem) {
        if (problem.status !== 404) {
            throw problem;
        }
        return { enrollments: 0, missing: ids, failed: [] };
    }
}

function Preview({ rows, found }) {
    const gone = new Set(found.missing);
    const left = rows.filter((row) => !gone.has(row.id));
    const fresh = left.filter((row) => row.state === "new").length;
    return html`
        ${gone.size > 0 && html`<p>${t("join_tokens.missing", { count: gone.size })}</p>`}
        <${Points} texts=${[
            fresh > 0 && t("join_tokens.delete_new", { count: fresh }),
            left.length > fresh && t("join_tokens.delete_old"),
        ]} />`;
}

/* Ask, and delete. Resolves to whether something was done. */
async function deleteTokens(rows) {
    const ids = rows.map((row) => row.id);
    const done = await confirmAction({
        title: t("join_tokens.delete_title", { count: rows.length }),
        preview: async (_, signal) => {
            const found = await ask(ids, { dry_run: true }, { signal });
            if (found.missing.length === ids.length) {
                throw new Problem(404, { code: "tokens_gone" });
            }
            return found;
        },
        describe: (found) => html`<${Preview} rows=${rows} found=${found} />`,
        undo: t("join_tokens.delete_undo"),
        danger: true,
        run: () => ask(ids, {}),
        command: () => command("kitbagctl", "device", "token", "rm", ids),
    });
    if (done) {
        const { enrollments, failed } = done.value;
        toast(t("join_tokens.deleted", { count: enrollments }));
        failed.forEach((one) => toast(`${one.id}: ${one.reason}`, { kind: "bad" }));
    }
    return done !== null;
}

/* What is done at the machine. */
function How() {
    return html`<section class="card"><h2>${t("join_tokens.how")}</h2>
        <ol class="steps">
            <li>${t("join_tokens.how_make")}</li>
            <li>${t("join_tokens.how_run")} <code translate="no">${joinCommand("TOKEN")}</code></li>
            <li>${t("join_tokens.how_see")}</li>
        </ol></section>`;
}

export default function JoinTokens() {
    const list = useList("/enrollments", "enrollments", { limit: 100 }, { refresh_ms: REFRESH_MS });
    const ticked = useSelection({ max: TICKED_MAX });
    const [making, setMaking] = useState(false);
    const remove = async () => {
        if (await deleteTokens(ticked.rows)) {
            ticked.clear();
            list.reload();
        }
    };
    const made = (some) => {
        setMaking(false);
        if (some) {
            list.reload();
        }
    };
    return html`<${Page} title=${t("nav.join_tokens")} intro=${t("join_tokens.intro")}
            actions=${can("operator") && html`<button onClick=${() => setMaking(true)}>
                ${t("join_tokens.make_open")}</button>`}>
        ${making && html`<${MakeDialog} onClose=${made} />`}
        ${!can("operator") && html`<p class="quiet">${t("join_tokens.viewer")}</p>`}
        <${MadeTokens} />
        <${How} />
        <${DataTable} caption=${t("nav.join_tokens")} list=${list} columns=${columns()}
            selection=${can("operator") ? ticked : null} rowKey=${(row) => row.id}
            rowName=${(row) => row.id} empty=${t("join_tokens.none")} />
        <${TickedBar} selection=${ticked}>
            <button class="danger" onClick=${remove}>${t("join_tokens.delete")}</button><//>
        <${CopyCommand} command=${command("kitbagctl", "device", "token", "ls")} />
    <//>`;
}
