/* samples.js - the last hour in numbers, for the charts. Pure.
 *
 * The server keeps a sample each few seconds (/status/samples); what comes live afterwards is put
 * behind them at the same pace. */

const SERIES = ["writes", "connected", "lag", "journal_bytes"];

/* The answer of /status/samples as columns: {every_ms, times, writes, connected, ...}. */
export function columnsOf({ every_ms, samples }) {
    const columns = { every_ms, times: samples.map((sample) => Date.parse(sample.time)) };
    for (const name of SERIES) {
        columns[name] = samples.map((sample) => sample[name]);
    }
    return columns;
}

/* One sample of a status document. */
export function sampleOf(status, time) {
    return {
        time,
        writes: status.rate.writes,
        connected: status.counts.connected,
        lag: status.lag.most,
        journal_bytes: status.journal.bytes,
    };
}

/* The columns with one more sample, if its time has come, without those older than an hour. A
 * pause, as of a hidden page, is a gap and not a line. */
export function append(columns, sample, keep_ms = 3600000) {
    const last = columns.times[columns.times.length - 1] ?? 0;
    if (sample.time - last < columns.every_ms * 0.9) {
        return columns;
    }
    const paused = last > 0 && sample.time - last > columns.every_ms * 4;
    const from = columns.times.findIndex((time) => time > sample.time - keep_ms);
    const kept = (values) => (from < 0 ? [] : values.slice(from));
    const gap = paused ? [last + columns.every_ms] : [];
    const times = [...kept(columns.times), ...gap, sample.time];
    const after = { every_ms: columns.every_ms, times };
    for (const name of SERIES) {
        after[name] = [...kept(columns[name]), ...(paused ? [null] : []), sample[name]];
    }
    return after;
}
