/* rename.js - another name for a machine. */
import { api } from "../../api.js";
import { CopyCommand } from "../../components/copy.js";
import { Dialog } from "../../components/dialog.js";
import { ProblemView } from "../../components/problem.js";
import { Field } from "../../components/small.js";
import { toast } from "../../components/toast.js";
import { deviceName, nameProblem } from "../../device.js";
import { t } from "../../i18n.js";
import { html, useState } from "../../lib.js";
import { deviceWords } from "./change.js";

/* <${RenameDialog} row=${device} onClose=${(changed) => ...} /> */
export function RenameDialog({ row, onClose }) {
    const [name, setName] = useState(row.name);
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState(null);
    const wrong = nameProblem(name);
    const submit = async (event) => {
        event.preventDefault();
        setBusy(true);
        setProblem(null);
        try {
            const { changed } = await api.patch(`/devices/${row.id}`, { name });
            toast(changed ? t("device.renamed", { name }) : t("device.as_it_was"));
            onClose(changed);
        } catch (failure) {
            setProblem(failure);
            setBusy(false);
        }
    };
    return html`<${Dialog} title=${t("device.rename_title", { name: deviceName(row) })} busy=${busy}
            onClose=${() => onClose(false)}>
        <form onSubmit=${submit}>
            <${Field} label=${t("device.new_name")} help=${t("device.new_name_help")}
                error=${name !== "" && wrong && t(`device.name_${wrong}`)}>${(a) => html`
                <input ...${a} type="text" required autofocus autocomplete="off" value=${name}
                    onInput=${(event) => setName(event.target.value)} />`}<//>
            <${ProblemView} problem=${problem} />
            ${!wrong && html`<${CopyCommand} command=${deviceWords("rename", row.id, name)} />`}
            <div class="form-foot">
                <button type="button" class="secondary outline" disabled=${busy}
                    onClick=${() => onClose(false)}>${t("common.cancel")}</button>
                <button type="submit" disabled=${busy || wrong}>${t("device.rename")}</button>
            </div>
        </form>
    <//>`;
}
