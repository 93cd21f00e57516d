/* router.js - where the reader is: the address behind '#', as "#/user-data?search=am".
 *
 * The hash never reaches the server, so a link works for whoever has the page, before and after
 * signing in. */
import { signal } from "@preact/signals";

/* "#/devices/7?tab=users" -> {path: "/devices/7", query: {tab: "users"}} */
export function parse(hash) {
    const text = hash.startsWith("#") ? hash.slice(1) : hash;
    const at = text.indexOf("?");
    const path = (at < 0 ? text : text.slice(0, at)) || "/";
    const query = {};
    for (const [name, value] of new URLSearchParams(at < 0 ? "" : text.slice(at + 1))) {
        query[name] = value;
    }
    return { path, query };
}

function decoded(part) {
    try {
        return decodeURIComponent(part);
    } catch {
        return part;
    }
}

/* match("/devices/:id", "/devices/7") -> {id: "7"}; null when the path is another. */
export function match(pattern, path) {
    const wanted = pattern.split("/");
    const parts = path.split("/");
    if (wanted.length !== parts.length) {
        return null;
    }
    const params = {};
    for (let i = 0; i < wanted.length; i++) {
        if (wanted[i].startsWith(":")) {
            params[wanted[i].slice(1)] = decoded(parts[i]);
        } else if (wanted[i] !== parts[i]) {
            return null;
        }
    }
    return params;
}

/* path("/user-data/:kind/:name", {kind, name}) -> a path with the parts encoded. */
export function path(pattern, params = {}) {
    return pattern.replace(/:(\w+)/g, (_, name) => encodeURIComponent(params[name]));
}

/* The address of a place, for links: href("/devices", {filter: "lobby"}). Empty values are left
 * out. */
export function href(where, query = {}) {
    const search = new URLSearchParams();
    for (const [name, value] of Object.entries(query)) {
        if (value !== null && value !== undefined && value !== "") {
            search.set(name, value);
        }
    }
    const text = search.toString();
    return `#${where}${text ? `?${text}` : ""}`;
}

/* Where the reader is: {path, query}. */
export const place = signal({ path: "/", query: {} });

/* Go somewhere; `replace` leaves no step in the browser's history. */
export function go(where, query = {}, { replace = false } = {}) {
    const to = href(where, query);
    if (replace) {
        history.replaceState(null, "", to);
        place.value = parse(location.hash);
    } else {
        location.hash = to;
    }
}

/* Put what was chosen on this page (search, filter, tab) into its address, in place of the values
 * of the same name: a reload, a link and the way back find it again. */
export function setQuery(values) {
    const { path: here, query } = place.peek();
    go(here, { ...query, ...values }, { replace: true });
}

/* Follow the browser's address from now on. */
export function startRouter() {
    const take = () => {
        place.value = parse(location.hash);
    };
    addEventListener("hashchange", take);
    take();
}
