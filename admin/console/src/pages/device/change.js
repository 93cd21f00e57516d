/* change.js - what an administrator lets a machine keep and mirror. */
import { api } from "../../api.js";
import { confirmAction } from "../../components/confirm.js";
import { toast } from "../../components/toast.js";
import { deviceName } from "../../device.js";
import { command } from "../../format.js";
import { t } from "../../i18n.js";
import { html } from "../../lib.js";

const at = (row) => `/devices/${row.id}`;

const KEEPS = ["signed-in", "groups", "everybody"];

/* The part of a key: "signed-in" is signed_in. */
export const keepKey = (keep) => keep.replace("-", "_");

/* Each resolves to whether something was changed. */
async function told(done) {
    if (done) {
        toast(t(done.value.changed ? "device.changed" : "device.as_it_was"));
    }
    return done !== null;
}

/* Arguments that begin with '-' would be read as options. */
export const deviceWords = (verb, id, value) =>
    command("kitbagctl", "device", verb, value.startsWith("-") ? "--" : null, id, value);

/* What the choice does, in plain words. */
function KeepPreview({ keep, preview }) {
    return html`<p>${t(`device.keep_${keepKey(keep)}_text`)}</p>
        ${!preview.changed && html`<p class="quiet">${t("device.as_it_is")}</p>`}`;
}

export async function changeKeep(row) {
    return told(await confirmAction({
        title: t("device.keep_title", { name: deviceName(row) }),
        fields: [{ name: "keep", label: t("device.keep"), value: row.keep,
            options: KEEPS.map((one) => [one, t(`device.keep_${keepKey(one)}`)]) }],
        preview: ({ keep }, signal) => api.patch(at(row), { keep, dry_run: true }, { signal }),
        describe: (preview, { keep }) => html`<${KeepPreview} ...${{ keep, preview }} />`,
        undo: t("device.keep_undo"),
        run: ({ keep }) => api.patch(at(row), { keep }),
        command: ({ keep }) => deviceWords("keep", row.id, keep),
    }));
}

export async function changeMirror(row) {
    const mirror = !row.mirror;
    return told(await confirmAction({
        title: mirror ? t("device.mirror_give", { name: deviceName(row) })
            : t("device.mirror_take", { name: deviceName(row) }),
        preview: (_, signal) => api.patch(at(row), { mirror, dry_run: true }, { signal }),
        describe: (preview) => html`<p>${mirror ? t("device.mirror_yes_text")
            : t("device.mirror_no_text")}</p>${!preview.changed &&
                html`<p class="quiet">${t("device.as_it_is")}</p>`}`,
        undo: mirror ? t("device.mirror_give_undo") : t("device.mirror_take_undo"),
        danger: mirror,
        run: () => api.patch(at(row), { mirror }),
        command: () => deviceWords("mirror", row.id, mirror ? "yes" : "no"),
    }));
}
