/* edit.js - one item in a dialog: all of its value, an editor for it, a new item.
 *
 * What is written replaces only the value that the writer has seen: when somebody was quicker, both
 * values are shown, and the writer decides. */
import { api } from "../../api.js";
import { CopyCommand } from "../../components/copy.js";
import { Dialog } from "../../components/dialog.js";
import { ProblemView } from "../../components/problem.js";
import { Badge, Bytes, Definitions, Field, Seq, Time } from "../../components/small.js";
import { toast } from "../../components/toast.js";
import { bytes, command } from "../../format.js";
import { t, tx } from "../../i18n.js";
import { html, useLayoutEffect, useRef, useState } from "../../lib.js";
import { isReserved, ownerPath, pathProblem, VALUE_MAX_BYTES } from "../../owner.js";
import { can } from "../../session.js";
import { base64Of, byteLength, editable, edited, jsonError, valueOf } from "../../value_view.js";
import { restoreOwners } from "../user_data/restore.js";
import { Explain } from "./explain.js";
import { historyOf, removeItem, writeItem } from "./items.js";
import { download, ValueBlock, ValueChange } from "./value.js";
import { Writer } from "./writer.js";

const COMMAND_VALUE_MAX = 2000; /* a longer one is better written to a file */

/* --- looking --- */

function Look({ kind, name, device, row, onEdit, onRemove, onClose }) {
    const value = valueOf(row);
    const known = value.kind !== "secret";
    return html`
        <${Definitions} rows=${[
            [t("owner.when"), html`<${Time} at=${row.time} both />`],
            [t("owner.where"), html`<${Writer} row=${row} />`],
            [t("owner.size"), html`<${Bytes} value=${row.size} />`],
            [t("owner.seq"), html`<${Seq} value=${row.seq} />`],
        ]} />
        ${row.conflict && html`<div class="notice warn"><p><${Badge} kind="warn"
            >${t("owner.conflict")}<//> ${t("owner.conflict_text")}</p></div>`}
        ${value.kind === "secret" && html`<div class="notice">
            <p>${t("owner.secret_text")}</p></div>`}
        ${known && html`<${ValueBlock} value=${value} label=${t("owner.value")} />`}
        <p class="links"><a href=${historyOf(kind, name, row.item, device)} onClick=${onClose}>
            ${t("owner.to_history")}</a>
            ${known && value.size > 0 && html`<button class="link"
                onClick=${() => download(row.item, value)}>${t("owner.download")}</button>`}</p>
        ${isReserved(row.item) && html`<p class="quiet">${t("owner.reserved_text")}</p>`}
        ${kind === "user" && !isReserved(row.item) && html`<${Explain} name=${name}
            item=${row.item} device=${device} />`}
        <footer>
            ${can("operator") && !isReserved(row.item) && html`
                <button class="danger outline" onClick=${onRemove}>${t("owner.remove")}</button>
                <button onClick=${onEdit}>${t("owner.edit")}</button>`}
            <button class="secondary outline" onClick=${onClose}>${t("common.close")}</button>
        </footer>`;
}

/* --- editing --- */

/* What is in the editor: {path, format: "json" | "text" | "file", text, file}; the file is a
 * Uint8Array, or null. */
function draftOf(row, value) {
    const format = value.kind === "binary" ? "file" : value.kind === "json" ? "json" : "text";
    const text = editable(value);
    return { path: row.item, format: row.item ? format : "json", text, file: null };
}

function bytesOf(draft, value) {
    return draft.format === "file" ? draft.file
        : new TextEncoder().encode(edited(draft.text, draft.format === "json", value));
}

/* Why the draft can't be written: {path, value} with sentences, each null when it is fine. */
function faults(draft) {
    const wrong = draft.format === "json" ? jsonError(draft.text) : null;
    const size = draft.format === "file" ? draft.file?.length ?? 0 : byteLength(draft.text);
    const path = pathProblem(draft.path);
    return {
        path: path && t(`owner.path_${path}`),
        value: wrong ? t("owner.no_json", { line: wrong.line, column: wrong.column })
            : size > VALUE_MAX_BYTES ? t("owner.too_large", { size: bytes(size) })
                : draft.format === "file" && !draft.file ? t("owner.choose_file") : null,
    };
}

function FileField({ set, fault }) {
    const take = async (event) => {
        const file = event.target.files[0];
        set(file ? new Uint8Array(await file.arrayBuffer()) : null);
    };
    return html`<${Field} label=${t("owner.file")} help=${fault ?? t("owner.file_help")}>${(a) =>
        html`<input type="file" ...${a} onChange=${take} />`}<//>`;
}

function TextArea({ draft, set, fault, focus }) {
    const area = useRef(null);
    useLayoutEffect(() => {
        if (focus) {
            area.current.focus();
        }
    }, []);
    const lines = Math.min(24, Math.max(8, draft.text.split("\n").length + 1));
    return html`<${Field} label=${t("owner.value")} error=${fault}>${(a) => html`
        <textarea ...${a} ref=${area} class="editor" rows=${lines} spellcheck=${false} dir="auto"
            autocapitalize="none" autocomplete="off" translate="no"
            onInput=${(event) => set(event.target.value)}>${draft.text}</textarea>`}<//>`;
}

function Formats({ draft, set }) {
    return html`<fieldset class="formats"><legend>${t("owner.format")}</legend>
        ${["json", "text", "file"].map((one) => html`<label key=${one}>
            <input type="radio" name="format" value=${one} checked=${draft.format === one}
                onChange=${() => set(one)} /> ${t(`owner.format_${one}`)}</label>`)}
    </fieldset>`;
}

function setCommand({ kind, name, device, seq }, draft) {
    const inline = draft.format !== "file" && byteLength(draft.text) <= COMMAND_VALUE_MAX;
    const text = edited(draft.text, draft.format === "json", undefined);
    /* kitbagctl takes a value that begins with '@' as a file's name */
    const value = inline && !/^(@|-$)/.test(text) ? text : "@FILE";
    return command("kitbagctl", kind, "set", name, draft.path || "PATH", value, "--if-seq", seq,
        device ? ["--device", device] : null);
}

function Editor({ kind, name, device, row, value, draft, setDraft, problem, busy, save, onClose }) {
    const [tried, setTried] = useState(false);
    const isNew = row.item === "";
    const found = faults(draft);
    const set = (members) => setDraft({ ...draft, ...members });
    const kindOfMine = draft.format === "json" && !found.value ? "json" : "text";
    const mine = { kind: kindOfMine, text: draft.text };
    const submit = (event) => {
        event.preventDefault();
        setTried(true);
        if (!found.path && !found.value) {
            save(bytesOf(draft, value));
        }
    };
    return html`<form class="item-form" onSubmit=${submit} novalidate>
        ${isNew && html`<${Field} label=${t("owner.path")} help=${t("owner.path_help")}
            error=${tried && found.path}>${(a) => html`<input ...${a} type="text"
                value=${draft.path} autofocus autocomplete="off" autocapitalize="none"
                spellcheck=${false} translate="no"
                onInput=${(event) => set({ path: event.target.value })} />`}<//>`}
        ${value.kind === "secret" && html`<p class="quiet">${t("owner.secret_edit")}</p>`}
        <${Formats} draft=${draft} set=${(format) => set({ format })} />
        ${draft.format === "file"
            ? html`<${FileField} set=${(file) => set({ file })} fault=${tried && found.value} />`
            : html`<${TextArea} draft=${draft} focus=${!isNew}
                fault=${(tried || draft.text !== "") && found.value}
                set=${(text) => set({ text })} />`}
        ${!isNew && !found.value && draft.format !== "file" && value.text !== undefined &&
            draft.text !== editable(value) && html`<details class="differences" open>
            <summary>${t("owner.what_changes")}</summary>
            <${ValueChange} before=${value} after=${mine} label=${t("owner.what_changes")} />
        </details>`}
        <p class="quiet">${t("owner.write_effect")}</p>
        <${ProblemView} problem=${problem} />
        <${CopyCommand} command=${setCommand({ kind, name, device, seq: row.seq ?? "0" }, draft)} />
        <footer>
            <button type="button" class="secondary outline" disabled=${busy} onClick=${onClose}>
                ${t("common.cancel")}</button>
            <button disabled=${busy}>${t("owner.save")}</button>
        </footer>
    </form>`;
}

/* --- somebody was quicker --- */

/* What is there now: the newest change of the item. */
async function newestOf({ kind, name, device, item }) {
    const answer = await api.get(ownerPath(kind, name, "/history"),
        { query: { item, values: 1, limit: 50, device } });
    return answer.changes.find((change) => change.item === item);
}

function Clash({ clash, mine, busy, problem, overwrite, takeTheirs, back }) {
    const removed = clash.kind === "item.remove";
    return html`
        <div class="notice warn" role="alert"><p><strong>${removed
            ? t("owner.clash_removed") : t("owner.clash")}</strong></p>
            <p><${Writer} row=${clash} />${", "}<${Time} at=${clash.time} both /></p></div>
        <h3>${t("owner.clash_both")}</h3>
        <${ValueChange} before=${removed ? { kind: "absent" } : valueOf(clash)} after=${mine}
            label=${t("owner.clash_both")} />
        <${ProblemView} problem=${problem} />
        <footer>
            <button class="secondary outline" disabled=${busy} onClick=${back}>
                ${t("owner.edit_on")}</button>
            <button class="outline" disabled=${busy} onClick=${takeTheirs}>
                ${t("owner.take_theirs")}</button>
            <button class="danger" disabled=${busy} onClick=${overwrite}>
                ${t("owner.overwrite")}</button>
        </footer>`;
}

/* --- the dialog --- */

function told({ kind, name, device }, answer) {
    const { item, seq, size } = answer;
    const back = () => (answer.old_seq === null
        ? removeItem({ kind, name, device, row: { item, seq, size } })
        : restoreOwners([{ kind, name }],
            { at: answer.old_seq, items: [item], title: t("owner.bring_back") }));
    toast(t("owner.saved", { item }),
        { action: device ? undefined : { text: t("user_data.undo"), run: back } });
}

function valueOfDraft(draft, written) {
    return draft.format === "file"
        ? { kind: "binary", base64: base64Of(written), size: written.length }
        : { kind: draft.format, text: draft.text };
}

export function ItemDialog({ kind, name, device, row, onClose, onRemove, onSaved }) {
    const [editing, setEditing] = useState(row.item === "");
    const [seen, setSeen] = useState({ row, value: valueOf(row) }); /* what the writer has seen */
    const [draft, setDraft] = useState(() => draftOf(row, valueOf(row)));
    const [clash, setClash] = useState(null);
    const [state, setState] = useState({});
    const write = async (written, seq) => {
        const item = draft.path;
        setState({ busy: true });
        try {
            const answer = await writeItem({ kind, name, device, item, bytes: written, seq });
            onClose();
            onSaved();
            told({ kind, name, device }, answer);
        } catch (problem) {
            const theirs = problem.status === 412
                ? await newestOf({ kind, name, device, item }).catch(() => null) : null;
            setState(theirs ? {} : { problem });
            setClash(theirs && { theirs, written });
        }
    };
    const theirs = clash?.theirs;
    const theirSeq = theirs?.kind === "item.remove" ? "0" : theirs?.seq;
    const takeTheirs = () => {
        const now = theirs.kind === "item.remove" ? { item: theirs.item } : theirs;
        setSeen({ row: { ...now, seq: theirSeq }, value: valueOf(now) });
        setDraft(draftOf(now, valueOf(now)));
        setClash(null);
    };
    const close = state.busy ? undefined : onClose;
    const title = row.item === "" ? t("owner.new_item") : html`<span class="item-path"
        translate="no">${row.item}</span>`;
    return html`<${Dialog} wide title=${title} onClose=${close} busy=${state.busy}>
        <p class="quiet">${tx("owner.of", { name: html`<bdi translate="no">${name}</bdi>` })}</p>
        ${clash ? html`<${Clash} clash=${theirs} ...${state} takeTheirs=${takeTheirs}
                mine=${valueOfDraft(draft, clash.written)}
                overwrite=${() => write(clash.written, theirSeq)} back=${() => setClash(null)} />`
            : editing ? html`<${Editor} ...${{ kind, name, device, draft, setDraft, onClose }}
                    row=${seen.row} value=${seen.value} ...${state}
                    save=${(written) => write(written, seen.row.seq ?? "0")} />`
                : html`<${Look} ...${{ kind, name, device, row, onRemove, onClose }}
                    onEdit=${() => setEditing(true)} />`}
    <//>`;
}
