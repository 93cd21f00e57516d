/* made.js - tokens that were just made: the one time that they are shown. */
import { confirmAction } from "../../components/confirm.js";
import { CopyButton, CopyText } from "../../components/copy.js";
import { Badge, now, Time } from "../../components/small.js";
import { toast } from "../../components/toast.js";
import { absolute } from "../../format.js";
import { t, tx } from "../../i18n.js";
import { fileName, fileText, isTaken, joinCommand } from "../../join_tokens.js";
import { html, useEffect, useLayoutEffect, useRef } from "../../lib.js";
import { session } from "../../session.js";
import { batches, dropBatch, saved, taken, untaken } from "./batches.js";

function download(batch) {
    const remarks = [
        t("join_tokens.file_for", { count: batch.tokens.length }),
        t("join_tokens.file_until", { when: absolute(batch.expires_at) }),
        t("join_tokens.file_run", { command: joinCommand("TOKEN") }),
    ];
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([fileText(batch, remarks)], { type: "text/plain" }));
    link.download = fileName(batch.made_ms);
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
    saved(batch);
}

/* Close a batch; when some of it was not taken along, only after a Yes. */
async function close(batch) {
    const sure = isTaken(batch) || await confirmAction({
        title: t("join_tokens.lose_title"),
        describe: () => html`<p>${t("join_tokens.lose_text", {
            count: batch.tokens.length - batch.taken.length })}</p>`,
        undo: t("join_tokens.lose_undo"),
        danger: true,
        run: () => Promise.resolve(true),
    });
    if (sure) {
        dropBatch(batch);
    }
}

/* One token, as the command that is run at the machine. */
function Token({ batch, i }) {
    const token = batch.tokens[i];
    const done = () => taken(batch, i);
    return html`<li>
        <div class="token-head"><code class="quiet" translate="no">${batch.ids[i]}</code>
            ${batch.taken.includes(i) && html`<${Badge} kind="ok">${t("common.copied")}<//>`}
            <${CopyButton} text=${token} label=${t("join_tokens.copy_token")} onCopy=${done}
                name=${`${t("join_tokens.copy_token")} ${batch.ids[i]}`} /></div>
        <${CopyText} text=${joinCommand(token)} onCopy=${done}
            label=${t("join_tokens.command_of", { id: batch.ids[i] })} />
    </li>`;
}

function Head({ batch }) {
    const head = useRef(null);
    useLayoutEffect(() => head.current?.focus(), []);
    const over = Date.parse(batch.expires_at) <= now.value;
    return html`<h2 ref=${head} tabindex="-1">${batch.replaces
            ? t("join_tokens.made_for", { name: batch.name || batch.replaces })
            : t("join_tokens.made", { count: batch.tokens.length })}</h2>
        <p>${over ? html`<${Badge} kind="warn">${t("join_tokens.state_expired")}<//>`
            : tx("join_tokens.good_until",
                { when: html`<${Time} at=${batch.expires_at} both />` })}</p>
        <p><strong>${t("join_tokens.once", { count: batch.tokens.length })}</strong>${" "}${
            batch.replaces ? t("join_tokens.run_new")
                : t("join_tokens.run", { count: batch.tokens.length })}</p>`;
}

function Batch({ batch }) {
    const many = batch.tokens.length > 1;
    return html`<section class="notice result tokens-made">
        <${Head} batch=${batch} />
        <ol class="tokens" tabindex=${many ? "0" : null} aria-label=${t("nav.join_tokens")}>
            ${batch.tokens.map((token, i) => html`<${Token} key=${batch.ids[i]} batch=${batch}
                i=${i} />`)}</ol>
        <div class="result-foot">
            ${many && html`<${CopyButton} text=${`${batch.tokens.join("\n")}\n`} small=${false}
                label=${t("join_tokens.copy_all")} onCopy=${() => saved(batch)} />`}
            <button class="outline" onClick=${() => download(batch)}>
                ${t("join_tokens.download")}</button>
            ${batch.saved && html`<${Badge} kind="ok">${t("join_tokens.taken")}<//>`}
            <button class=${isTaken(batch) ? "" : "secondary outline"}
                onClick=${() => close(batch)}>${t("join_tokens.done")}</button>
        </div>
    </section>`;
}

/* Who goes to another page is told where they still are. */
function useReminder() {
    useEffect(() => () => {
        if (session.peek() && untaken().length > 0) {
            toast(t("join_tokens.still_there"));
        }
    }, []);
}

/* <${MadeTokens} replaces=${id} />: those that were made for a machine's place; without, all. */
export function MadeTokens({ replaces }) {
    useReminder();
    return batches.value.filter((batch) => !replaces || batch.replaces === replaces)
        .map((batch) => html`<${Batch} key=${batch.key} batch=${batch} />`);
}
