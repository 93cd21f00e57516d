/* retention_words.js - the server's sentences about what holds the journal, as words with values,
 * so that they can be told in another language. Pure. */
import { duration } from "./format.js";

const UNITS = { days: 86400000, hours: 3600000, minutes: 60000, seconds: 1000 };
const TIME = "(\\d+) (days|hours|minutes|seconds)";
const CLOCK = "the clock stepped by more than an hour: nothing goes by age until it has run " +
    "for a day, or an administrator confirmed that it is right";

const time = ([amount, unit]) => ({ time: duration(amount * UNITS[unit]) });
const none = () => ({});

const SENTENCES = [
    ["low", "there is little room on the disk, so what can go went: ", none],
    ["age", `the oldest segment is of the last ${TIME} \\(journal\\.keep\\)`, time],
    ["flush", "the state is on disk up to seq (\\d+) only", ([seq]) => ({ seq })],
    ["undo", `an undo within ${TIME} needs the rest \\(undo\\.keep\\)`, time],
    ["clock", CLOCK, none],
    ["newest", "only the newest segment is left", none],
    ["no_device", "no active device waits for an older deletion", none],
    ["device_clock", `device ([0-9a-f]{16}) has not come further; ${CLOCK}`,
        ([device]) => ({ device })],
    ["device", "device ([0-9a-f]{16}) has not come further; it is waited for as long as a " +
        `deletion is younger than ${TIME} \\(tombstones\\.keep\\)`,
        ([device, ...rest]) => ({ device, ...time(rest) })],
    ["deleted", `what was deleted within ${TIME} can be undone \\(undo\\.keep\\)`, time],
].map(([word, pattern, values]) => [word, new RegExp(`^${pattern}`), values]);

/* [[word, values], ...]; null when a part of it is another sentence: then it is shown as it is. */
export function retentionWords(text) {
    const parts = [];
    let rest = text;
    while (rest !== "") {
        const found = SENTENCES.map(([word, pattern, values]) => ({
            word, values, match: pattern.exec(rest),
        })).find(({ match }) => match);
        if (!found) {
            return null;
        }
        parts.push([found.word, found.values(found.match.slice(1))]);
        rest = rest.slice(found.match[0].length);
    }
    return parts.length > 0 ? parts : null;
}
