/* exports.js - user data that is prepared for export: how long it is there, where its files are,
 * and the same as commands. Pure. */
import { command } from "./format.js";
import { namesOf } from "./owner.js";

export const ITEMS = ["personal-settings", "group-address-lists"];
export const FORMATS = ["csv", "ldif", "vcard"];
const ENDS = { csv: "csv", ldif: "ldif", vcard: "vcf" };

/* How long it is there still, in ms, when the answer came at `at_ms`: never less than nothing. */
export function leftMs(left_ms, at_ms, now_ms) {
    return Math.max(0, left_ms - Math.max(0, now_ms - at_ms));
}

/* 899000 -> "14:59", 3725000 -> "1:02:05": the second that began counts. */
export function countdown(ms) {
    const all = Math.ceil(ms / 1000);
    const two = (value) => String(value).padStart(2, "0");
    const [hours, minutes, seconds] = [Math.floor(all / 3600), Math.floor(all / 60) % 60, all % 60];
    return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

/* How many of the rows are users, and groups; and which is more than the limits allow. */
export function chosen(rows, limits) {
    const { users, groups } = namesOf(rows);
    const over = users.length > limits.users ? "users"
        : groups.length > limits.groups ? "groups" : "";
    return { users: users.length, groups: groups.length, over };
}

export const snapshotAddress = (id) => `/api/v1/exports/${encodeURIComponent(id)}/snapshot`;

export function listAddress(id, kind, format) {
    const query = new URLSearchParams({ kind, format });
    return `/api/v1/exports/${encodeURIComponent(id)}/address-lists?${query}`;
}

/* The newest of those that are there, or the one of this ID. */
export function pick(exports, id) {
    return exports.find((one) => one.id === id) ?? (id ? undefined : exports.at(-1));
}

export function prepareCommand(rows, all) {
    if (all) {
        return command("kitbagctl", "export", "prepare", "--all");
    }
    const { users, groups } = namesOf(rows);
    return command("kitbagctl", "export", "prepare",
        ...users.flatMap((name) => ["--user", name]),
        ...groups.flatMap((name) => ["--group", name]));
}

export const getCommand = (id) => command("kitbagctl", "export", "get", id, "people.kitbag");

export function listCommand(id, kind, format) {
    return command("kitbagctl", "export", "address-list", id, kind, `${kind}.${ENDS[format]}`);
}
