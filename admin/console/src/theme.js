/* theme.js - light, dark, or as the machine is set; remembered in this browser. */
import { signal } from "@preact/signals";

export const THEMES = ["auto", "light", "dark"];

/* What was chosen: "auto", "light" or "dark". */
export const theme = signal("auto");

/* Whether the page is dark now; charts are drawn again when it changes. */
export const dark = signal(false);

function apply() {
    const system = matchMedia("(prefers-color-scheme: dark)").matches;
    dark.value = theme.value === "dark" || (theme.value === "auto" && system);
    document.documentElement.dataset.theme = dark.value ? "dark" : "light";
}

export function setTheme(name) {
    theme.value = THEMES.includes(name) ? name : "auto";
    try {
        localStorage.setItem("kitbag-theme", theme.value);
    } catch {
        /* a browser that keeps nothing forgets it */
    }
    apply();
}

export function startTheme() {
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", apply);
    let saved = "auto";
    try {
        saved = localStorage.getItem("kitbag-theme") ?? "auto";
    } catch {
        /* as above */
    }
    theme.value = THEMES.includes(saved) ? saved : "auto";
    apply();
}
