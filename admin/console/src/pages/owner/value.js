/* value.js - a value as it is shown: a line in a table, all of it in a dialog, two of them with
 * what is different. */
import { Bytes } from "../../components/small.js";
import { t } from "../../i18n.js";
import { html } from "../../lib.js";
import { diffLines, shortened } from "../../text_diff.js";
import { bytesOfBase64, hexDump, prettyJson, preview } from "../../value_view.js";

/* <${ValueLine} value=${valueOf(row)} />: one line. What is no value is told in words. */
export function ValueLine({ value }) {
    const { kind, text } = value;
    return kind === "json" || kind === "text"
        ? html`<code class="value-line" dir="auto" translate="no">${preview(text)}</code>`
        : html`<span class="quiet value-line">${t(`owner.value_${kind}`)}${kind === "binary" &&
            html` · <${Bytes} value=${value.size} />`}</span>`;
}

const HEX_BYTES = 512;

/* All of a value; of bytes the first. */
export function ValueBlock({ value, label }) {
    if (value.kind === "json" || value.kind === "text") {
        const text = value.kind === "json" ? prettyJson(value.text) : value.text;
        return html`<pre class="value-block" tabindex="0" role="region" aria-label=${label}
            ><code dir="auto" translate="no">${text}</code></pre>`;
    }
    if (value.kind === "binary") {
        return html`<pre class="value-block" tabindex="0" role="region" aria-label=${label}
            ><code translate="no">${hexDump(bytesOfBase64(value.base64), HEX_BYTES)}</code></pre>
            ${value.size > HEX_BYTES && html`<p class="quiet">${
                t("owner.first_bytes", { count: HEX_BYTES })}</p>`}`;
    }
    return html`<p class="quiet">${t(`owner.value_${value.kind}`)}</p>`;
}

const lines = (value) => (value.kind === "json" ? prettyJson(value.text) : value.text ?? "");
const SIGNS = { same: " ", added: "+", removed: "−" };

function Line({ row }) {
    if (row.kind === "skipped") {
        return html`<span class="diff-skipped">⋯ ${t("owner.same_lines", { count: row.count })}${
            "\n"}</span>`;
    }
    const text = html`${SIGNS[row.kind]} ${row.text}${"\n"}`;
    return row.kind === "added" ? html`<ins>${text}</ins>`
        : row.kind === "removed" ? html`<del>${text}</del>` : html`<span>${text}</span>`;
}

const isText = (value) => ["json", "text", "empty", "absent"].includes(value.kind);

/* What became of `before`: line by line when both are text, else one under the other. */
export function ValueChange({ before, after, label }) {
    const both = isText(before) && isText(after) &&
        before.kind !== "absent" && after.kind !== "absent";
    if (both) {
        const rows = shortened(diffLines(lines(before), lines(after)));
        return html`<pre class="value-block diff" tabindex="0" role="region" aria-label=${label}
            ><code translate="no">${rows.map((row, i) => html`<${Line} key=${i}
                row=${row} />`)}</code></pre>`;
    }
    return html`<div class="value-pair">
        <div><h3>${t("owner.old_value")}</h3><${ValueBlock} value=${before}
            label=${t("owner.old_value")} /></div>
        <div><h3>${t("owner.new_value")}</h3><${ValueBlock} value=${after}
            label=${t("owner.new_value")} /></div>
    </div>`;
}

/* Save a value as a file on the reader's machine. */
export function download(name, value) {
    const bytes = value.kind === "binary" ? bytesOfBase64(value.base64) : value.text ?? "";
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([bytes]));
    link.download = name.replace(/[^\w.-]+/g, "_");
    link.click();
    URL.revokeObjectURL(link.href);
}
