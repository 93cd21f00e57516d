/* text_diff.js - which lines of a text became which. Pure. */

const CELLS_MAX = 1000000; /* of the table that finds the longest common part */

/* [{kind: "same" | "removed" | "added", text}], line by line; what was removed stands before what
 * was added in its place. Texts that differ in too many lines are told as removed and added
 * whole. */
export function diffLines(before, after) {
    const a = before === "" ? [] : before.split("\n");
    const b = after === "" ? [] : after.split("\n");
    let start = 0;
    while (start < a.length && start < b.length && a[start] === b[start]) {
        start++;
    }
    let end = 0;
    while (end < a.length - start && end < b.length - start &&
            a[a.length - 1 - end] === b[b.length - 1 - end]) {
        end++;
    }
    const row = (kind) => (text) => ({ kind, text });
    return [
        ...a.slice(0, start).map(row("same")),
        ...middle(a.slice(start, a.length - end), b.slice(start, b.length - end)),
        ...a.slice(a.length - end).map(row("same")),
    ];
}

function middle(a, b) {
    if (a.length * b.length > CELLS_MAX) {
        return [...a.map((text) => ({ kind: "removed", text })),
            ...b.map((text) => ({ kind: "added", text }))];
    }
    const common = commonLengths(a, b);
    const rows = [];
    let i = 0;
    let j = 0;
    while (i < a.length || j < b.length) {
        if (i < a.length && j < b.length && a[i] === b[j]) {
            rows.push({ kind: "same", text: a[i] });
            i++;
            j++;
        } else if (j >= b.length || (i < a.length && common[i + 1][j] >= common[i][j + 1])) {
            rows.push({ kind: "removed", text: a[i++] });
        } else {
            rows.push({ kind: "added", text: b[j++] });
        }
    }
    return rows;
}

/* common[i][j]: how many lines a from i on and b from j on have in common. */
function commonLengths(a, b) {
    const common = Array.from({ length: a.length + 1 }, () => new Uint32Array(b.length + 1));
    for (let i = a.length - 1; i >= 0; i--) {
        for (let j = b.length - 1; j >= 0; j--) {
            common[i][j] = a[i] === b[j] ? common[i + 1][j + 1] + 1
                : Math.max(common[i + 1][j], common[i][j + 1]);
        }
    }
    return common;
}

/* How many lines around a change are shown. */
const AROUND = 3;

/* The same with long equal parts as {kind: "skipped", count}. */
export function shortened(rows, around = AROUND) {
    const near = rows.map(() => false);
    rows.forEach((row, i) => {
        if (row.kind !== "same") {
            near.fill(true, Math.max(0, i - around), i + around + 1);
        }
    });
    const out = [];
    rows.forEach((row, i) => {
        if (near[i]) {
            out.push(row);
        } else if (out.length > 0 && out[out.length - 1].kind === "skipped") {
            out[out.length - 1].count++;
        } else {
            out.push({ kind: "skipped", count: 1 });
        }
    });
    return out;
}
