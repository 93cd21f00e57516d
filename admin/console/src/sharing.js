/* sharing.js - what is shared across all devices: the choices of the page, in words. Pure. */

export const CHOICES = ["shared", "device"];

/* What a category is called. */
export function categoryTitle(row, language) {
    return row.titles?.[language] ?? row.titles?.en ?? row.path;
}

/* What was chosen and is not so yet: {path: "device"}. */
export function changesOf(rows, chosen) {
    return Object.fromEntries(rows
        .filter((row) => chosen[row.path] !== undefined && chosen[row.path] !== row.sharing)
        .map((row) => [row.path, chosen[row.path]]));
}

/* The same for the shell. */
export function setWords(changes, copy) {
    const words = Object.entries(changes).map(([path, value]) => `${path}=${value}`);
    return ["sharing", "set", ...words, ...(copy ? ["--copy"] : [])];
}

/* Does something become device-specific, so that there is something to copy? */
export const mayCopy = (changes) => Object.values(changes).includes("device");

/* What happens to a category of a preview: the ends of keys of words. */
export function effects(row, copy) {
    const switched = row.was !== row.sharing;
    return [
        switched && (row.sharing === "device" ? "to_device" : "to_shared"),
        switched && copy && row.sharing === "device" && "copied",
        row.initialised.length > 0 && "initialised",
        row.lifted.length > 0 && "lifted",
    ].filter(Boolean);
}
