/* moments.js - a moment of the past, as fields of a form have it and as the API takes it. Pure. */

/* "2026-11-22T17:51" of a field of type datetime-local, in the reader's zone. */
export function toField(at) {
    const date = new Date(at);
    const two = (number) => String(number).padStart(2, "0");
    const day = [String(date.getFullYear()).padStart(4, "0"), two(date.getMonth() + 1),
        two(date.getDate())].join("-");
    return `${day}T${[date.getHours(), date.getMinutes(), date.getSeconds()].map(two).join(":")}`;
}

/* The moment of such a field in UTC, as the API takes it; "" when the field is not filled in. */
export function fromField(text) {
    const date = new Date(text);
    return text === "" || Number.isNaN(date.getTime()) ? "" : date.toISOString();
}

export const isSeq = (text) => /^[1-9]\d{0,18}$/.test(text);

/* What stands in an address as a moment: a seq, or a time. */
export function isMoment(text) {
    return isSeq(text) || /^\d{4}-\d\d-\d\dT/.test(text);
}
