/* restore.js - bringing back: deleted people, somebody as of a moment, single items.
 *
 * All of it are new changes, so nothing that happened since is lost: what is replaced stands in the
 * history, and a restoring can be taken back by another one. */
import { api } from "../../api.js";
import { confirmAction } from "../../components/confirm.js";
import { Bytes, Definitions, Num, Seq } from "../../components/small.js";
import { toast } from "../../components/toast.js";
import { command } from "../../format.js";
import { t } from "../../i18n.js";
import { html } from "../../lib.js";
import { argumentsOf, commands, inParts, namesOf, ownerPath, summed } from "../../owner.js";
import { Failures, Names } from "./small.js";

const STEP = 50;
const PREVIEW_MAX = 100; /* of more, what would be done is not worked out before */
const CHANGES_SHOWN = 12;

function restoreBody(rows, { at, items, dryRun }) {
    return {
        ...namesOf(rows), ...(at ? { at } : {}), ...(items ? { items } : {}),
        ...(dryRun ? { dry_run: true } : {}),
    };
}

async function restoreAll(rows, options, progress) {
    const answers = [];
    let done = 0;
    progress?.(0, rows.length);
    for (const part of inParts(rows, STEP)) {
        answers.push(await api.post("/owners/restore", restoreBody(part, options)));
        done += part.length;
        progress?.(done, rows.length);
    }
    return summed(answers);
}

/* What restoring turns back, by name: the differences between then and now, seen from then. */
async function differences({ kind, name }, { at, items }, signal) {
    if (!at) {
        return null;
    }
    const answer = await api.get(ownerPath(kind, name, "/diff"), { query: { from: at }, signal });
    const within = (row) => !items || items.some((item) =>
        row.item === item || row.item.startsWith(`${item}/`));
    const found = answer.differences.filter(within);
    const more = found.length > CHANGES_SHOWN || answer.next !== undefined;
    return { found: found.slice(0, CHANGES_SHOWN), more };
}

const BACK = { added: "removed", removed: "set", changed: "changed" };
const SIGN = { added: "removed", removed: "add", changed: "changed" };

function Changes({ changes }) {
    return changes && changes.found.length > 0 && html`<ul class="changes">
        ${changes.found.map((row) => html`<li key=${row.item}>
            <span class="change change-${SIGN[row.change]}">${
                t(`user_data.restore_${BACK[row.change]}`)}</span>
            <code translate="no">${row.item}</code></li>`)}
        ${changes.more && html`<li class="quiet">${t("user_data.and_more")}</li>`}
    </ul>`;
}

function numbers(answer) {
    return [
        [t("user_data.restore_set"), html`<${Num} value=${answer.set} />`],
        [t("user_data.restore_changed"), html`<${Num} value=${answer.changed} />`],
        [t("user_data.restore_removed"), html`<${Num} value=${answer.removed} />`],
        [t("user_data.bytes"), html`<${Bytes} value=${answer.bytes} />`],
        answer.at !== null && [t("user_data.restore_at"), html`<${Seq} value=${answer.at} />`],
    ];
}

const isNothing = (answer) =>
    answer.set + answer.changed + answer.removed + answer.bags === 0 && answer.failed.length === 0;

function Preview({ rows, items, preview }) {
    const { answer, changes } = preview;
    if (isNothing(answer)) {
        return html`<p>${t("user_data.restore_nothing")}</p>`;
    }
    return html`
        ${items ? html`<ul class="names">${items.map((item) => html`<li key=${item}>
            <code translate="no">${item}</code></li>`)}</ul>` : html`<${Names} rows=${rows} />`}
        <${Definitions} rows=${numbers(answer)} />
        <${Changes} changes=${changes} />
        <${Failures} failed=${answer.failed} />`;
}

function words(rows, { at, items }) {
    return commands(rows, (noun, names) => [noun, "restore",
        ...(items ?? []).flatMap((item) => ["--item", item]), ...(at ? ["--at", at] : []),
        ...argumentsOf(names)], command);
}

/* Where to go back to when the restoring is to be undone: the newest change before it. */
export const headNow = async () => (await api.get("/status")).seq;

/* Ask, and restore `rows` (users and groups): without `at` those that were deleted, else as they
 * were at that seq or time; with `items` only these of them. Resolves to the answer, or null. */
export async function restoreOwners(rows, { at, items, title } = {}) {
    const options = { at, items };
    let before;
    const done = await confirmAction({
        title: title ?? t("user_data.restore_title", { count: rows.length }),
        preview: rows.length <= PREVIEW_MAX && (async (_, signal) => {
            const answer = await restoreAllDry(rows, options, signal);
            const changes = rows.length === 1
                ? await differences(rows[0], options, signal).catch(() => null) : null;
            return { answer, changes };
        }),
        describe: (preview) => (preview
            ? html`<${Preview} rows=${rows} items=${items} preview=${preview} />`
            : html`<${Names} rows=${rows} /><p>${t("user_data.restore_many")}</p>`),
        undo: at ? t("user_data.restore_undo") : t("user_data.restore_undo_deleted"),
        run: async (_, progress) => {
            before = await headNow();
            return restoreAll(rows, options, progress);
        },
        command: () => words(rows, options),
    });
    if (!done) {
        return null;
    }
    told(rows, done.value, at ? before : null, items);
    return done.value;
}

async function restoreAllDry(rows, options, signal) {
    const answers = [];
    for (const part of inParts(rows, STEP)) {
        answers.push(await api.post("/owners/restore",
            restoreBody(part, { ...options, dryRun: true }), { signal }));
    }
    return summed(answers);
}

function restoredText({ users, groups, set, changed, removed }) {
    const items = set + changed + removed;
    return users + groups > 1 ? t("user_data.restored_owners", { users, groups, items })
        : t("user_data.restored", { items });
}

/* Told for a moment at the page's edge, with the way back when there is one. */
function told(rows, answer, before, items) {
    const some = answer.set + answer.changed + answer.removed + answer.bags > 0;
    const action = some && before && answer.bags === 0 /* who was not there is deleted again */
        ? { text: t("user_data.undo"), run: () => restoreOwners(rows, { at: before, items }) }
        : undefined;
    const text = !some && answer.failed.length === 0 ? t("user_data.restore_nothing")
        : restoredText(answer);
    const failure = answer.failed[0];
    if (failure) {
        toast(`${t("user_data.failed", { count: answer.failed.length })} ${failure.name}: ${
            failure.reason}`, { kind: "bad" });
    }
    if (some || !failure) {
        toast(text, { action });
    }
}
