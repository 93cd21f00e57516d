/* live_rows.js - rows of a list that grows while one looks at it, the newest first. Pure. */

/* `rows` with those that came since (in the order in which they came) before them, `room` at most:
 * {rows, left}, where `left` tells how many of the oldest were let go. */
export function withNewer(rows, came, room) {
    const newest = came.slice(-room).reverse();
    const all = [...newest, ...rows];
    return { rows: all.slice(0, room), left: came.length - newest.length +
        Math.max(0, all.length - room) };
}

/* `rows` with older ones behind them; those that are there already are passed over. `older` is in
 * the order in which they came, as the server gives them. */
export function withOlder(rows, older, isOlder) {
    const last = rows[rows.length - 1];
    const wanted = last === undefined ? older : older.filter((row) => isOlder(row, last));
    return [...rows, ...wanted.reverse()];
}

/* A time of today as its time of day alone, an older one in full. */
export function isToday(at, now = Date.now()) {
    return new Date(at).toDateString() === new Date(now).toDateString();
}
