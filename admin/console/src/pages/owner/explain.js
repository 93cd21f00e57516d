/* explain.js - where a person's value comes from: shared, device-specific, or the default. */
import { CopyCommand } from "../../components/copy.js";
import { useDocument } from "../../components/list.js";
import { ProblemView } from "../../components/problem.js";
import { Loading, Time } from "../../components/small.js";
import { DataTable } from "../../components/table.js";
import { command } from "../../format.js";
import { t } from "../../i18n.js";
import { html, useState } from "../../lib.js";
import { layerState, ownerPath } from "../../owner.js";
import { machineName, Writer } from "./writer.js";

function Layer({ row }) {
    return html`${t(`owner.layer_${row.layer}`)}${row.device && html`${" · "}<bdi
        translate="no">${machineName(row.device) || row.device}</bdi>`}`;
}

function Layers({ found }) {
    const stored = (row, cell) => (row.there ? cell : "–");
    return html`<p><strong>${t(`owner.source_${found.layer}`)}</strong>${
        !found.device && found.sharing === "device" &&
            html` <span class="quiet">${t("owner.source_anywhere")}</span>`}</p>
        <${DataTable} caption=${t("owner.explain")} list=${{ rows: found.layers }} columns=${[
            { key: "layer", title: t("owner.layer"), head: true,
                cell: (row) => html`<span><${Layer} row=${row} /></span>` },
            { key: "state", title: t("owner.layer_state"),
                cell: (row) => t(`owner.state_${layerState(row)}`) },
            { key: "who", title: t("owner.where"),
                cell: (row) => stored(row, html`<${Writer} row=${{ ...row, device: "" }} />`) },
            { key: "when", title: t("owner.when"),
                cell: (row) => stored(row, html`<${Time} at=${row.time} />`) },
        ]} rowKey=${(row) => `${row.layer} ${row.device ?? ""}`} />`;
}

function Answer({ name, item, device }) {
    const { data, problem, reload } = useDocument(ownerPath("user", name, "/explain"),
        { item, device });
    return html`<${ProblemView} problem=${problem} retry=${reload} />
        ${data ? html`<${Layers} found=${data} />` : !problem && html`<${Loading} />`}
        <${CopyCommand} command=${command("kitbagctl", "user", "explain", name, item,
            device ? ["--device", device] : null)} />`;
}

/* <${Explain} name item device />: folded away, and asked for when it is opened. */
export function Explain({ name, item, device }) {
    const [open, setOpen] = useState(false);
    return html`<details class="explain" onToggle=${(event) => setOpen(event.target.open)}>
        <summary>${t("owner.explain")}</summary>
        ${open && html`<${Answer} name=${name} item=${item} device=${device} />`}
    </details>`;
}
