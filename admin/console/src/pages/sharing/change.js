/* change.js - before what is shared changes, or a change is taken back: what it does to each
 * category, and doing it. */
import { api } from "../../api.js";
import { confirmAction } from "../../components/confirm.js";
import { Num } from "../../components/small.js";
import { DataTable } from "../../components/table.js";
import { toast } from "../../components/toast.js";
import { command } from "../../format.js";
import { lang, t } from "../../i18n.js";
import { html } from "../../lib.js";
import { categoryTitle, effects, mayCopy, setWords } from "../../sharing.js";

/* A category's title, and its path as it is written in commands. */
export function Category({ row }) {
    return html`<span class="category"><span>${categoryTitle(row, lang.value)}</span>${" "}
        <code class="quiet" translate="no">${row.path}</code></span>`;
}

function Effects({ row, copy }) {
    return html`<ul class="category-effects">${effects(row, copy).map((one) => html`
        <li key=${one}>${t(`sharing.effect_${one}`)}</li>`)}</ul>`;
}

/* Every category that is touched. */
function Preview({ found, copy }) {
    if (found.categories.length === 0) {
        return html`<p>${t("sharing.nothing")}</p>`;
    }
    const columns = [
        { key: "path", title: t("sharing.category"), head: true,
            cell: (row) => html`<${Category} row=${row} />` },
        { key: "effect", title: t("sharing.effect"),
            cell: (row) => html`<${Effects} row=${row} copy=${copy} />` },
        ...["users", "devices", "items", "returning"].map((key) => (
            { key, title: t(`sharing.touched_${key}`), num: true,
                cell: (row) => html`<${Num} value=${row[key]} />` })),
    ];
    return html`<p>${t("sharing.confirm_text")}</p>
        <${DataTable} caption=${t("sharing.touched")} list=${{ rows: found.categories }}
            columns=${columns} rowKey=${(row) => row.path} />`;
}

/* Ask, and change. Resolves to the answer, or null: nothing was done. */
export async function changeSharing(changes) {
    const body = (values, dry_run) => ({ changes, copy: values.copy ?? false, dry_run });
    const done = await confirmAction({
        title: t("sharing.confirm_title"),
        wide: true,
        fields: mayCopy(changes)
            ? [{ name: "copy", label: t("sharing.copy"), help: t("sharing.copy_help") }] : [],
        preview: (values, signal) => api.put("/sharing", body(values, true), { signal }),
        describe: (found, values) => html`<${Preview} found=${found} copy=${values.copy} />`,
        undo: t("sharing.undo_text"),
        danger: true,
        run: (values) => api.put("/sharing", body(values, false)),
        command: (values) => command("kitbagctl", setWords(changes, values.copy)),
    });
    if (done) {
        toast(done.value.seq ? t("sharing.changed") : t("sharing.nothing"));
    }
    return done;
}

/* The same for a change that is taken back. */
export async function takeBack(seq) {
    const done = await confirmAction({
        title: t("sharing.take_back_title"),
        wide: true,
        preview: (_, signal) => api.post("/sharing/undo", { seq, dry_run: true }, { signal }),
        describe: (found) => html`<${Preview} found=${found} copy=${false} />`,
        undo: t("sharing.undo_text"),
        danger: true,
        run: () => api.post("/sharing/undo", { seq }),
        command: () => command("kitbagctl", "sharing", "undo", seq),
    });
    if (done) {
        toast(t("sharing.taken_back"));
    }
    return done;
}
