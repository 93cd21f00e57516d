/* copy.js - texts to take along: a command for the shell, a token shown once. */
import { t } from "../i18n.js";
import { html, useState } from "../lib.js";
import { toast } from "./toast.js";

async function copy(text) {
    try {
        await navigator.clipboard.writeText(text);
        return true;
    } catch {
        return false; /* the browser does not allow it: the text is there to be selected */
    }
}

function CopyButton({ text, label, name, onCopy, small = true }) {
    const [done, setDone] = useState(false);
    const click = async () => {
        if (await copy(text)) {
            setDone(true);
            onCopy?.();
            setTimeout(() => setDone(false), 2000);
        } else {
            toast(t("common.copy_failed"), { kind: "bad" });
        }
    };
    return html`<button type="button" class=${small ? "small outline" : "outline"} onClick=${click}
            aria-label=${done ? null : name}>
        <span aria-live="polite">${done ? t("common.copied") : label}</span></button>`;
}

/* <${CopyCommand} command=${command("kitbagctl", "device", "rm", id)} />: the same action for the
 * shell, folded away until it is wanted. `command` of format.js puts quotes where they are
 * needed. */
export function CopyCommand({ command }) {
    return html`<details class="command">
        <summary>${t("common.as_kitbagctl")}</summary>
        <div class="command-text"><pre tabindex="0"><code translate="no">${command}</code></pre>
            <${CopyButton} text=${command} label=${t("common.copy")} /></div>
    </details>`;
}

/* <${CopyText} text=${token} label="Join token" />: a text to copy whole, such as a secret that is
 * shown once; `onCopy` is told when it was copied. */
export function CopyText({ text, label, onCopy }) {
    return html`<div class="copy-text" role="group" aria-label=${label}>
        <pre tabindex="0"><code translate="no">${text}</code></pre>
        <${CopyButton} text=${text} label=${t("common.copy")} onCopy=${onCopy} />
    </div>`;
}

export { CopyButton };
