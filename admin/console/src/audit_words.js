/* audit_words.js - events of the audit: what was done, to what, and where that can be seen or
 * undone. Pure. */

/* The actions that there are words for, by what they are about: a choice of the page. */
export const ACTIONS = {
    session: ["session.begin", "session.end", "session.locked"],
    account: ["account.add", "account.change", "account.password", "account.delete"],
    token: ["token.add", "token.delete"],
    owner: ["owner.delete", "owner.restore", "owner.import"],
    item: ["item.set", "item.delete"],
    "address-list": ["address-list.import"],
    export: [
        "export.prepare", "export.shape", "export.fetch", "export.addresses", "export.delete",
    ],
    device: ["device.change", "device.delete", "device.admit", "device.token-delete"],
    sync: ["sync.change"],
    sharing: ["sharing.change", "sharing.undo"],
    fence: ["fence.set", "fence.lift"],
    history: ["history.fork"],
    clock: ["clock.confirm"],
    backup: ["backup.make", "backup.forget"],
    restore: ["restore.confirm"],
};
const KNOWN = new Set(Object.values(ACTIONS).flat());

export const isKnown = (action) => KNOWN.has(action);

/* "device.token-delete" -> "device_token_delete", for the key of its words. A change of the
 * synchronization is a start or a stop. */
export function actionWord(event) {
    if (event.action === "sync.change" && ["running", "stopped"].includes(event.about?.state)) {
        return `sync_${event.about.state}`;
    }
    return event.action.replace(/[.-]/g, "_");
}

const list = (value) => (Array.isArray(value) ? value.filter((one) => typeof one === "string")
    : []);
const owner = (kind, name, query) => ({
    kind, name, path: `/user-data/${kind}/${encodeURIComponent(name)}`, query,
});
const device = (id) => ({
    kind: "device", name: id, path: `/devices/${encodeURIComponent(id)}`,
});

/* Users, groups, machines, accounts that an event names: [{kind, name, path, query}]. */
export function subjects(event) {
    const about = event.about ?? {};
    const target = list(about.target);
    const named = [
        ...list(about.users).map((name) => owner("user", name)),
        ...list(about.groups).map((name) => owner("group", name)),
        ...list(about.devices).map(device),
    ];
    if (target[0] === "user" || target[0] === "group") {
        const item = target[2] && { tab: "history", item: target[2] };
        named.push({ ...owner(target[0], target[1], item || undefined), item: target[2] });
    } else if (event.action.startsWith("device.") && target.length > 0) {
        named.push(device(target[0]));
    }
    if (typeof about.device === "string") {
        named.push(device(about.device));
    }
    const accounts = [...list(about.accounts), ...list([about.account])];
    named.push(...accounts.map((name) => ({ kind: "account", name, path: "/accounts" })));
    const tokens = [...list(about.tokens), ...list([about.token])];
    named.push(...tokens.map((name) => (
        { kind: "token", name, path: "/accounts", query: { tab: "tokens" } })));
    return named;
}

/* How many more than it names: an event names the first of many. */
export function unnamed(event) {
    const { count } = event.about ?? {};
    const named = subjects(event).length;
    return typeof count === "number" && named > 0 && count > named ? count - named : 0;
}

const SHOWN = new Set(["users", "groups", "devices", "target", "device", "account", "accounts",
    "token", "tokens"]);
/* The words of the action tell it already. */
const TOLD_BY_ACTION = { "sync.change": new Set(["state"]) };
const FALSE_SAYS_NOTHING = new Set(["password", "unlock", "adopt", "too_long", "copy"]);

/* {"copy/default": "device"} -> ["copy/default=device"] */
const asList = (value) => (value !== null && typeof value === "object" && !Array.isArray(value)
    ? Object.entries(value).map(([name, one]) => `${name}=${one}`) : value);

/* The rest of what an event tells: [[member, value]]; what is empty says nothing. */
export function details(event) {
    return Object.entries(event.about ?? {}).filter(([member, value]) => !SHOWN.has(member) &&
        !TOLD_BY_ACTION[event.action]?.has(member) &&
        value !== null && value !== "" && !(Array.isArray(value) && value.length === 0) &&
        !(value === false && FALSE_SAYS_NOTHING.has(member)) &&
        !(member === "count" && subjects(event).length > 0) &&
        !(member === "failed" && value === 0))
        .map(([member, value]) => [member, member === "changes" ? asList(value) : value]);
}

/* Where it can be undone, or seen: {path, query}; null when nowhere. `audit.undo_WORD` of the
 * action says how. */
export function undoPlace(event) {
    const first = subjects(event)[0];
    switch (event.action) {
    case "owner.delete":
        return { path: "/user-data", query: { tab: "deleted" } };
    case "item.set":
    case "item.delete":
    case "owner.restore":
    case "address-list.import":
        return first ? { path: first.path, query: first.query ?? { tab: "history" } }
            : { path: "/user-data" };
    case "owner.import":
        return { path: "/user-data" };
    case "device.change":
        return first ? { path: first.path } : { path: "/devices" };
    case "device.delete":
    case "device.admit":
        return { path: "/join-tokens" };
    case "sync.change":
        return { path: "/sync" };
    case "sharing.change":
    case "sharing.undo":
        return { path: "/sharing" };
    case "account.add":
    case "account.change":
    case "account.delete":
    case "session.locked":
        return { path: "/accounts" };
    case "token.add":
    case "token.delete":
        return { path: "/accounts", query: { tab: "tokens" } };
    default:
        return null;
    }
}
