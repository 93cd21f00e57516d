/* devices.js - Confirm Device Information: which machines there are, how they are, deleting
 * some. */
import { Page } from "../components/page.js";
import { CopyCommand } from "../components/copy.js";
import { useList, useSelection } from "../components/list.js";
import { Choice, SearchField, Toolbar } from "../components/search.js";
import { Num, Seq, Time } from "../components/small.js";
import { LiveBadge } from "../components/state.js";
import { DataTable, TickedBar } from "../components/table.js";
import { deviceName, listWords, sorted } from "../device.js";
import { command } from "../format.js";
import { lang, t } from "../i18n.js";
import { html, useEffect, useRef, useState } from "../lib.js";
import { liveState, status } from "../live.js";
import { href, path, place, setQuery } from "../router.js";
import { can } from "../session.js";
import { RemoveResult, removeDevices, TICKED_MAX } from "./devices/remove.js";
import { DeviceName, DeviceState, Two } from "./devices/small.js";

const PAGE_ROWS = 500;
const REFRESH_MS = 5000;
const MANY_ROWS = 100;
const MANY_WAIT_MS = 1000;

const mayTick = (row) => row.state !== "removed";

const text = (value) => (value ? html`<bdi translate="no">${value}</bdi>` : "–");

/* Of one that is away, where it was complete to is what is known. */
function Lag({ row }) {
    return html`<${Two} first=${html`<${Seq} value=${row.cursor ?? row.current_seq} />`}
        second=${row.lag === null ? null : row.lag === 0 ? t("devices.current")
            : t("devices.behind", { count: row.lag })} />`;
}

/* "MP C6004 · E174C700123" */
function Kind({ row }) {
    const parts = [row.model, row.serial].filter(Boolean);
    return parts.length > 0 && html`<span class="machine-kind" translate="no">
        ${parts.map((part, i) => html`${i > 0 && " · "}<bdi>${part}</bdi>`)}</span>`;
}

function Users({ row }) {
    return row.keep === "everybody" ? t("devices.everybody") : html`<${Num} value=${row.users} />`;
}

/* A list of one page can be put in order here; the pages of a longer one are in that of the IDs. */
function columns(order) {
    const by = (name, sort) => order && {
        sort: order === name ? sort : null,
        onSort: () => setQuery({ sort: name === "name" ? "" : name }),
    };
    return [
        {
            key: "name", title: t("devices.name_model"), head: true, ...by("name", "ascending"),
            cell: (row) => html`<${Two} first=${html`<a class="owner-link"
                href=${href(path("/devices/:id", row))}><${DeviceName} row=${row} /></a>`}
                second=${html`<${Kind} row=${row} />`} />`,
        },
        { key: "state", title: t("devices.state"), cell: (row) => html`<span class="states"
            ><${DeviceState} row=${row} /></span>` },
        { key: "address", title: t("devices.address_version"), cell: (row) => html`<${Two}
            first=${text(row.address)} second=${row.version && text(row.version)} />` },
        { key: "seen", title: t("devices.last_seen"), ...by("seen", "descending"),
            cell: (row) => html`<${Time} at=${row.last_seen} never=${t("devices.never")} />` },
        { key: "lag", title: t("devices.cursor"), num: true, ...by("lag", "descending"),
            cell: (row) => html`<${Lag} row=${row} />` },
        { key: "users", title: t("devices.users"), num: true, ...by("users", "descending"),
            cell: (row) => html`<${Users} row=${row} />` },
        { key: "verified", title: t("devices.verified"), wide: true,
            cell: (row) => html`<${Time} at=${row.verified} never=${t("devices.not_yet")} />` },
    ];
}

/* The list again as soon as a machine came or went; the status tells it within a second. Of a long
 * list when that calms down: drawing it takes a while. */
function useComingAndGoing(list) {
    const counts = status.value?.counts;
    const now = counts && `${counts.devices}/${counts.connected}`;
    const before = useRef(now);
    useEffect(() => {
        const changed = before.current !== undefined && before.current !== now;
        before.current = now ?? before.current;
        if (!changed || now === undefined) {
            return undefined;
        }
        const timer = setTimeout(list.reload, list.rows?.length > MANY_ROWS ? MANY_WAIT_MS : 0);
        return () => clearTimeout(timer);
    }, [now]);
}

const STATES = ["", "connected", "away", "diverged", "removed", "all"];

function Filters({ list }) {
    const { filter = "", state = "" } = place.value.query;
    const known = list.rows && !list.loading && (filter || state);
    const found = list.hasNext ? "devices.found_more" : "devices.found";
    const count = known ? t(found, { count: list.rows.length }) : "";
    return html`<${Toolbar}>
        <${SearchField} label=${t("devices.filter")} value=${filter} count=${count}
            help=${t("devices.filter_help")} onSearch=${(words) => setQuery({ filter: words })} />
        <${Choice} label=${t("devices.show")} value=${state}
            options=${STATES.map((one) => [one, t(`devices.show_${one || "active"}`)])}
            onChoose=${(value) => setQuery({ state: value })} />
    <//>`;
}

function Total() {
    const counts = status.value?.counts;
    const { devices, connected } = counts ?? {};
    return html`<p class="quiet list-total"><${LiveBadge} state=${liveState.value} />${" "}${
        counts && t("devices.total", { devices, connected })}</p>`;
}

function emptyText({ filter, state }) {
    if (filter) {
        return t("devices.none_found");
    }
    return state ? t("devices.none_so") : html`${t("devices.none")}${" "}<a
        href=${href("/join-tokens")}>${t("nav.join_tokens")}</a>`;
}

export default function Devices() {
    const { filter = "", state = "", sort = "name" } = place.value.query;
    const list = useList("/devices", "devices", { filter, state, limit: PAGE_ROWS },
        { refresh_ms: REFRESH_MS });
    const ticked = useSelection({ max: TICKED_MAX });
    const [result, setResult] = useState(null);
    useComingAndGoing(list);
    const whole = list.rows !== undefined && !list.hasNext && !list.hasPrevious;
    const rows = whole ? sorted(list.rows, sort, lang.value) : list.rows;
    const remove = async () => {
        const done = await removeDevices(ticked.rows);
        if (done) {
            ticked.clear();
            setResult(done);
            list.reload();
        }
    };
    return html`<${Page} title=${t("nav.confirm_device")} intro=${t("devices.intro")}>
        ${result && html`<${RemoveResult} key=${result.key} result=${result}
            onClose=${() => setResult(null)} />`}
        <${Filters} list=${list} />
        <${Total} />
        <${DataTable} caption=${t("nav.confirm_device")} list=${{ ...list, rows }}
            columns=${columns(whole ? sort : null)} selection=${can("operator") ? ticked : null}
            mayTick=${mayTick} rowKey=${(row) => row.id} rowName=${deviceName}
            empty=${emptyText({ filter, state })} />
        <${TickedBar} selection=${ticked}>
            <button class="danger" onClick=${remove}>${t("devices.delete")}</button><//>
        <${CopyCommand} command=${command("kitbagctl", listWords(filter, state))} />
    <//>`;
}
