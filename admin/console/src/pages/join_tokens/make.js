/* make.js - making join tokens: how many, for how long, for whose place. */
import { api } from "../../api.js";
import { CopyCommand } from "../../components/copy.js";
import { Dialog } from "../../components/dialog.js";
import { ProblemView } from "../../components/problem.js";
import { Field } from "../../components/small.js";
import { deviceName } from "../../device.js";
import { command, duration } from "../../format.js";
import { t } from "../../i18n.js";
import { COUNT_MAX, countOf, EXPIRIES, makeWords } from "../../join_tokens.js";
import { html, useState } from "../../lib.js";
import { can } from "../../session.js";
import { Points } from "../devices/small.js";
import { addBatch } from "./batches.js";

/* What somebody should know before another machine takes this one's place. */
function Replacing({ row }) {
    const rights = row.keep !== "signed-in" || row.mirror;
    return html`<${Points} texts=${[
        row.state === "removed" ? t("join_tokens.replace_removed") : t("join_tokens.replace_cut"),
        t("join_tokens.replace_gets"), t("join_tokens.replace_unsent"),
        rights && !can("admin") && t("join_tokens.replace_rights"),
    ]} />`;
}

function Count({ text, set }) {
    const wrong = Number.isNaN(countOf(text));
    return html`<${Field} label=${t("join_tokens.count")} help=${t("join_tokens.count_help")}
        error=${wrong && t("join_tokens.count_wrong", { max: COUNT_MAX })}>${(a) => html`
            <input ...${a} type="text" inputmode="numeric" autocomplete="off" autofocus
                value=${text} onInput=${(event) => set(event.target.value)} />`}<//>`;
}

function Expiry({ seconds, set, alone }) {
    return html`<${Field} label=${t("join_tokens.valid_for")} help=${t("join_tokens.valid_help")}>${
        (a) => html`<select ...${a} value=${seconds} autofocus=${alone}
                onChange=${(event) => set(Number(event.target.value))}>
            ${EXPIRIES.map(([one]) => html`<option key=${one} value=${one}
                selected=${one === seconds}>${duration(one * 1000)}</option>`)}
        </select>`}<//>`;
}

function Foot({ busy, ready, onClose }) {
    return html`<div class="form-foot">
        <button type="button" class="secondary outline" disabled=${busy} onClick=${onClose}>
            ${t("common.cancel")}</button>
        <button type="submit" disabled=${busy || !ready}>${t("join_tokens.make")}</button>
    </div>`;
}

function titleOf(row) {
    if (!row) {
        return t("join_tokens.make_title");
    }
    const name = deviceName(row);
    return row.state === "removed" ? t("join_tokens.back_title", { name })
        : t("join_tokens.replace_title", { name });
}

/* <${MakeDialog} row=${device} onClose=${(made) => ...} />: `row` is the machine whose place it is
 * for, if any. The tokens are in batches.js then. */
export function MakeDialog({ row, onClose }) {
    const [text, setText] = useState("1");
    const [seconds, setSeconds] = useState(EXPIRIES[0][0]);
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState(null);
    const count = row ? 1 : countOf(text);
    const ready = !Number.isNaN(count);
    const submit = async (event) => {
        event.preventDefault();
        setBusy(true);
        setProblem(null);
        try {
            const body = { count, expires_s: seconds, ...(row ? { replaces: row.id } : {}) };
            addBatch(await api.post("/enrollments", body), row?.name);
            onClose(true);
        } catch (failure) {
            setProblem(failure);
            setBusy(false);
        }
    };
    return html`<${Dialog} title=${titleOf(row)} busy=${busy} onClose=${() => onClose(false)}>
        <form onSubmit=${submit}>
            ${row ? html`<${Replacing} row=${row} />`
                : html`<${Count} text=${text} set=${setText} />`}
            <${Expiry} seconds=${seconds} set=${setSeconds} alone=${Boolean(row)} />
            <${ProblemView} problem=${problem} />
            ${ready && html`<${CopyCommand} command=${command("kitbagctl",
                makeWords({ count, seconds, replaces: row?.id }))} />`}
            <${Foot} busy=${busy} ready=${ready} onClose=${() => onClose(false)} />
        </form>
    <//>`;
}
