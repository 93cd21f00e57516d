/* journal_words.js - changes of the journal: whose they are, what they did, where they lead.
 * Pure. */

/* "user:amara" -> {kind: "user", name: "amara"}; "fleet" and "server" have no name; "" is a bag
 * that nothing tells of any more. */
export function bagOf(text) {
    const at = (text ?? "").indexOf(":");
    return at < 0 ? { kind: text || "unknown", name: "" }
        : { kind: text.slice(0, at), name: text.slice(at + 1) };
}

/* What Kitbag keeps for itself, by bag and the beginning of the path: a word for it, and what the
 * rest of the path is ("" when it says nothing to a reader). */
const OWN = [
    ["server", "@audit", "audit"], ["server", "@sync", "sync"],
    ["server", "@account/", "account"], ["server", "@token/", "api_token"],
    ["server", "device/", "machine"], ["server", "token/", "join_token"],
    ["server", "@adopt/", "adopt"], ["device", "@user/", "sign_in"],
    ["user", "@group/", "member"], ["fleet", "@fence/", "fence"],
];
const TOLD = new Set(["account", "member"]);

const BAG_KINDS = new Set(["user", "group", "device", "fleet", "server"]);

/* A change in words: {mark, word, name}. `word` completes a key "journal.did_", `name` is what
 * stands in it, and `mark` is its sign (set, remove, create, delete, other). */
export function wordsOf(row) {
    const bag = bagOf(row.bag);
    const kind = BAG_KINDS.has(bag.kind) ? bag.kind : "unknown";
    if (row.kind === "bag.create" || row.kind === "bag.delete") {
        const made = row.kind === "bag.create";
        return { mark: made ? "create" : "delete", word: `${made ? "create" : "delete"}_${kind}`,
            name: "" };
    }
    if (row.kind !== "item.set" && row.kind !== "item.remove") {
        const word = { history: "history", "op.void": "refused" }[row.kind] ?? "other";
        return { mark: "other", word, name: word === "refused" ? row.code : row.kind };
    }
    const mark = row.kind === "item.set" ? "set" : "remove";
    const own = OWN.find(([of, path]) => of === kind &&
        (path.endsWith("/") ? row.item.startsWith(path) : row.item === path));
    if (!own) {
        return { mark, word: `${mark}_item`, name: row.item };
    }
    const rest = row.item.slice(own[1].length);
    return { mark, word: `${mark}_${own[2]}`, name: TOLD.has(own[2]) ? rest : "" };
}

/* Where a reader of a change goes on: {path, query} of the console, null when there is nowhere. */
export function bagPlace({ kind, name }) {
    if (kind === "user" || kind === "group") {
        return { path: `/user-data/${kind}/${encodeURIComponent(name)}` };
    }
    return kind === "device" ? { path: `/devices/${encodeURIComponent(name)}` } : null;
}

export function changePlace(row) {
    const { word, mark } = wordsOf(row);
    const what = word.slice(mark.length + 1);
    const bag = bagOf(row.bag);
    if (what === "machine") {
        return { path: `/devices/${row.item.slice("device/".length)}` };
    }
    const place = { audit: "/audit", sync: "/sync", account: "/accounts",
        join_token: "/join-tokens" }[what];
    if (place) {
        return { path: place };
    }
    if (what === "api_token") {
        return { path: "/accounts", query: { tab: "tokens" } };
    }
    if (word === "delete_user" || word === "delete_group") {
        return { path: "/user-data", query: { tab: "deleted", search: bag.name } };
    }
    const owner = bag.kind === "user" || bag.kind === "group";
    return owner && row.item !== undefined && !row.item.startsWith("@")
        ? { ...bagPlace(bag), query: { tab: "history", item: row.item } } : bagPlace(bag);
}

/* "HISTORY:SEQ" -> the seq; null when it is no place. */
export function seqOfPlace(place) {
    return /^[0-9a-f]+:(\d+)$/.exec(place ?? "")?.[1] ?? null;
}

/* So many changes are caught up with one by one; with more, the newest alone are shown. */
export const CATCH_UP_MAX = 2000;

/* What to ask for when a list of changes begins, or goes on behind `place`: {query, skipped}. */
export function goOn(place, head, first) {
    const seq = seqOfPlace(place);
    if (seq === null) {
        return { query: { tail: first }, skipped: 0 };
    }
    const behind = head === undefined ? 0 : Number(BigInt(head) - BigInt(seq));
    return behind > CATCH_UP_MAX ? { query: { tail: first }, skipped: behind - first }
        : { query: { since: place }, skipped: 0 };
}

/* What to ask for to see `count` changes before change `seq`. Of one bag the server counts its
 * changes from the end: `shown` of them are there already. null: there are none, or the server
 * does not look back so far. */
export function before(seq, history, { count, floor, bag, shown }) {
    if (bag) {
        const tail = shown + count;
        return tail > 1000 ? null : { follow: 0, feed: "longpoll", wait: 0, bag, tail };
    }
    const last = BigInt(seq) - 1n;
    if (last < BigInt(floor || 1)) {
        return null;
    }
    const least = BigInt(floor || 1) - 1n;
    const from = last - BigInt(count);
    return { follow: 0, feed: "longpoll", wait: 0,
        since: `${history}:${from > least ? from : least}` };
}

/* A bag as somebody asks for it; "" when the name that it needs is missing. */
export function bagText(kind, name) {
    if (kind === "user" || kind === "group" || kind === "device") {
        return name ? `${kind}:${name}` : "";
    }
    return kind === "fleet" || kind === "server" ? kind : "";
}
