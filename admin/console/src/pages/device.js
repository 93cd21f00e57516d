/* device.js - one machine: what is known of it, what it may keep, renaming, replacing, stopping. */
import { CopyCommand } from "../components/copy.js";
import { useDocument } from "../components/list.js";
import { Page } from "../components/page.js";
import { ProblemView } from "../components/problem.js";
import { Loading, now, Num, Seq, Time } from "../components/small.js";
import { deviceName, deviceState, waitsForRight } from "../device.js";
import { command } from "../format.js";
import { t } from "../i18n.js";
import { html, useState } from "../lib.js";
import { href } from "../router.js";
import { can } from "../session.js";
import { changeKeep, changeMirror, keepKey } from "./device/change.js";
import { RenameDialog } from "./device/rename.js";
import { KeptUsers } from "./device/users.js";
import { RemoveResult, removeDevices } from "./devices/remove.js";
import { DeviceState, Facts } from "./devices/small.js";
import { MadeTokens } from "./join_tokens/made.js";
import { MakeDialog } from "./join_tokens/make.js";

const REFRESH_MS = 2000;

const text = (value) => (value ? html`<bdi translate="no">${value}</bdi>` : "–");

function Identity({ row }) {
    return html`<${Facts} title=${t("device.machine")} rows=${[
        [t("device.model"), text(row.model)],
        [t("device.serial"), text(row.serial)],
        [t("device.version"), text(row.version)],
        [t("device.address"), text(row.address)],
        [t("device.joined"), html`<${Time} at=${row.joined} both />`],
        [t("device.id"), html`<code translate="no">${row.id}</code>`],
    ]} />`;
}

function lagText(row) {
    if (row.lag === null) {
        return t("device.lag_unknown");
    }
    return row.lag === 0 ? t("device.lag_none") : t("device.lag", { count: row.lag });
}

/* How far it is, and whether what it holds is what the server has. */
function Progress({ row }) {
    return html`<${Facts} title=${t("device.progress")} rows=${[
        [t("device.lacks"), lagText(row)],
        [t("device.cursor"), html`<${Seq} value=${row.cursor} />`],
        [t("device.complete_to"), html`<${Seq} value=${row.current_seq} />`],
        [t("device.waiting"), row.waiting === null ? t("device.waiting_unknown")
            : html`<${Num} value=${row.waiting} />`],
        [t("device.followed"), html`<${Num} value=${row.followed} />`],
        [t("device.verified"), html`<${Time} at=${row.verified} both
            never=${t("device.not_verified")} />`],
        [t("device.healed"), row.healed === 0 ? t("device.healed_none")
            : t("device.healed_count", { count: row.healed })],
        row.mirror && [t("device.mirrored_to"), row.mirror_seq === null
            ? t("device.mirrors_not") : html`<${Seq} value=${row.mirror_seq} />`],
    ]} />`;
}

/* A right: what it is now, what that means, and the way to change it. */
function Right({ title, now: current, words, change, label, may }) {
    return html`<div class="right">
        <h3>${title}: <span>${current}</span></h3>
        <p>${words}</p>
        ${may && html`<button class="small outline" onClick=${change}>${label}</button>`}
    </div>`;
}

function Rights({ row, reload }) {
    const may = can("admin") && row.state !== "removed";
    const after = (change) => async () => (await change(row)) && reload();
    return html`<section class="card"><h2>${t("device.rights")}</h2>
        <${Right} title=${t("device.keep")} now=${t(`device.keep_${keepKey(row.keep)}`)}
            words=${t(`device.keep_${keepKey(row.keep)}_text`)} may=${may}
            change=${after(changeKeep)} label=${t("device.keep_change")} />
        <${Right} title=${t("device.mirror")} may=${may}
            now=${row.mirror ? t("device.mirror_yes") : t("device.mirror_no")}
            words=${row.mirror ? t("device.mirror_yes_text") : t("device.mirror_no_text")}
            change=${after(changeMirror)}
            label=${row.mirror ? t("device.mirror_take_do") : t("device.mirror_give_do")} />
        ${!can("admin") && html`<p class="quiet">${t("device.rights_admin")}</p>`}
    </section>`;
}

/* The state in words, and what to do when it is not as it should be. */
function Headline({ row }) {
    const state = deviceState(row, now.value);
    const calm = state === "connected" || state === "away" || state === "unheard";
    return html`<section class="${calm ? "card" : "notice warn"} headline device-head">
        <${DeviceState} row=${row} />
        <p role="status">${t(`device.is_${state}`)}</p>
        <p class="quiet device-seen">${t("device.last_seen")}: <${Time} at=${row.last_seen} both
            never=${t("device.never")} /></p>
        ${waitsForRight(row) && html`<p class="device-why">${t("device.waits_for_right")}</p>`}
    </section>`;
}

function Actions({ row, reload, remove, replace }) {
    const removed = row.state === "removed";
    const [renaming, setRenaming] = useState(false);
    const renamed = (changed) => {
        setRenaming(false);
        changed && reload();
    };
    return html`
        ${renaming && html`<${RenameDialog} row=${row} onClose=${renamed} />`}
        ${!removed && html`<button class="outline" onClick=${() => setRenaming(true)}>
            ${t("device.rename")}</button>`}
        <button class=${removed ? "" : "outline"} onClick=${replace}>
            ${removed ? t("device.let_back") : t("device.replace")}</button>
        ${!removed && html`<button class="danger outline" onClick=${remove}>
            ${t("devices.delete")}</button>`}`;
}

function Machine({ row, reload }) {
    return html`
        <${Headline} row=${row} />
        <div class="cards machine-cards">
            <${Identity} row=${row} />
            ${row.state !== "removed" && html`<${Progress} row=${row} />`}
            <${Rights} row=${row} reload=${reload} />
            <${KeptUsers} row=${row} />
        </div>
        <${CopyCommand} command=${command("kitbagctl", "device", "show", row.id)} />`;
}

export default function Device({ id }) {
    const { data: row, problem, reload } = useDocument(`/devices/${encodeURIComponent(id)}`, {},
        { refresh_ms: REFRESH_MS });
    const [replacing, setReplacing] = useState(false);
    const [result, setResult] = useState(null);
    const remove = async () => {
        const done = await removeDevices([row]);
        if (done) {
            setResult(done);
            reload();
        }
    };
    return html`<${Page} title=${row ? deviceName(row) : t("device.title")}
            intro=${row && t("device.intro")}
            back=${{ href: href("/devices"), text: t("nav.confirm_device") }}
            actions=${row && can("operator") && html`<${Actions} row=${row} reload=${reload}
                remove=${remove} replace=${() => setReplacing(true)} />`}>
        ${replacing && html`<${MakeDialog} row=${row} onClose=${() => setReplacing(false)} />`}
        ${result && html`<${RemoveResult} key=${result.key} result=${result}
            onClose=${() => setResult(null)} />`}
        <${MadeTokens} replaces=${id} />
        <${ProblemView} problem=${problem} retry=${reload} />
        ${!row && !problem && html`<${Loading} />`}
        ${row && html`<${Machine} row=${row} reload=${reload} />`}
    <//>`;
}
