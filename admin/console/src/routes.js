/* routes.js - which page is at which place, and what stands in the navigation.
 *
 * A page is a module with a component as its default export; it is fetched when it is first shown
 * and gets the params of its pattern as props. `nav` names the entry that is marked as current. */

export const ROUTES = [
    { pattern: "/portal", nav: "/portal", page: () => import("./pages/portal.js") },
    { pattern: "/sync", nav: "/sync", page: () => import("./pages/sync.js") },
    { pattern: "/user-data", nav: "/user-data", page: () => import("./pages/user_data.js") },
    {
        pattern: "/user-data/:kind/:name", nav: "/user-data",
        page: () => import("./pages/owner.js"),
    },
    {
        pattern: "/export-prepare", nav: "/export-prepare",
        page: () => import("./pages/export_prepare.js"),
    },
    {
        pattern: "/export-addresses", nav: "/export-addresses",
        page: () => import("./pages/export_addresses.js"),
    },
    { pattern: "/export", nav: "/export", page: () => import("./pages/export.js") },
    { pattern: "/devices", nav: "/devices", page: () => import("./pages/devices.js") },
    { pattern: "/devices/:id", nav: "/devices", page: () => import("./pages/device.js") },
    { pattern: "/sharing", nav: "/sharing", page: () => import("./pages/sharing.js") },
    {
        pattern: "/join-tokens", nav: "/join-tokens",
        page: () => import("./pages/join_tokens.js"),
    },
    { pattern: "/journal", nav: "/journal", page: () => import("./pages/journal.js") },
    { pattern: "/log", nav: "/log", page: () => import("./pages/log.js") },
    { pattern: "/audit", nav: "/audit", page: () => import("./pages/audit.js") },
    { pattern: "/accounts", nav: "/accounts", page: () => import("./pages/accounts.js") },
];

/* The navigation, in the words of the procedures. `role`: the least that sees it. */
export const NAVIGATION = [
    { items: [{ at: "/portal", text: "nav.portal" }, { at: "/sync", text: "nav.sync" }] },
    {
        title: "nav.user_data",
        items: [
            { at: "/user-data", text: "nav.delete_user_data" },
            { at: "/export-prepare", text: "nav.export_prepare" },
            { at: "/export-addresses", text: "nav.export_addresses" },
            { at: "/export", text: "nav.export" },
        ],
    },
    {
        title: "nav.device",
        items: [
            { at: "/sharing", text: "nav.sharing" },
            { at: "/devices", text: "nav.confirm_device" },
            { at: "/join-tokens", text: "nav.join_tokens" },
        ],
    },
    {
        title: "nav.records",
        items: [
            { at: "/journal", text: "nav.journal" },
            { at: "/log", text: "nav.log" },
            { at: "/audit", text: "nav.audit" },
        ],
    },
    { items: [{ at: "/accounts", text: "nav.accounts", role: "admin" }] },
];

export const HOME = "/portal";

/* Whether there is a page for an entry of the navigation. */
export function hasPage(at) {
    return ROUTES.some((route) => route.nav === at);
}
