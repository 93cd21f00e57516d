/* small.js - a change of the journal in words, and whose it is. */
import { t, tx } from "../../i18n.js";
import { bagOf, bagPlace, wordsOf } from "../../journal_words.js";
import { html } from "../../lib.js";
import { href } from "../../router.js";
import { machineName } from "../owner/writer.js";

/* What a change did, with the item in it. */
export function What({ row }) {
    const { mark, word, name } = wordsOf(row);
    const own = bagOf(row.bag).kind === "server";
    const item = html`<code class="journal-item" translate="no">${name}</code>`;
    return html`<span class="change change-${own ? "own" : mark}"><span class="journal-what">${
        tx(`journal.did_${word}`, { name: item })}</span></span>`;
}

/* Whose data it is: a user's, a group's, a machine's, or what the server keeps itself. */
export function Bag({ row }) {
    const bag = bagOf(row.bag);
    const to = bagPlace(bag);
    const kind = t(`journal.bag_${row.bag_id === undefined ? "none" : bag.kind}`);
    return html`<span class="journal-bag"><span class="quiet">${kind}</span>
        ${to && html` <a href=${href(to.path)} translate="no"><bdi>${
            (bag.kind === "device" && machineName(bag.name)) || bag.name}</bdi></a>`}</span>`;
}
