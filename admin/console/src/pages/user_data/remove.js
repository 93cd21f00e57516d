/* remove.js - deleting people and groups: the preview, doing it in steps, what became of it. */
import { api, Problem } from "../../api.js";
import { confirmAction } from "../../components/confirm.js";
import { Badge, Bytes, Definitions, Num, Seq, Time } from "../../components/small.js";
import { command } from "../../format.js";
import { t } from "../../i18n.js";
import { html, useEffect, useLayoutEffect, useRef, useState } from "../../lib.js";
import { argumentsOf, commands, inParts, namesOf, summed } from "../../owner.js";
import { href } from "../../router.js";
import { headNow, restoreOwners } from "./restore.js";
import { Failures, Names, OwnerName } from "./small.js";

export const TICKED_MAX = 10000; /* of users, and of groups, in one request */
const STEP = 500;
const SUPPLIERS_SHOWN = 8;

let results = 0;

const NOBODY = { users: 0, groups: 0, items: 0, bytes: 0, devices: 0, seq: null };

/* Nobody of them is there any more: that is an answer, and no failure. */
async function ask(rows, members, options) {
    try {
        return await api.post("/owners/delete", { ...namesOf(rows), ...members }, options);
    } catch (problem) {
        if (problem.status !== 404) {
            throw problem;
        }
        return { ...NOBODY, missing: rows.map((row) => row.name), failed: [] };
    }
}

/* Only the choice that is not the usual one is told. */
const adoption = (adopt) => (adopt ? { adopt: true } : {});

function Effects({ preview, adopt }) {
    const points = [
        adopt && preview.devices > 0 && t("user_data.effect_adopt"),
        !adopt && preview.devices > 0 && t("user_data.effect_devices", { count: preview.devices }),
        preview.devices === 0 && t("user_data.effect_no_device"),
        !adopt && t("user_data.effect_login"),
        preview.groups > 0 && t("user_data.effect_groups"),
    ];
    return html`<ul class="effects">${points.filter(Boolean).map((text) => html`
        <li key=${text}>${text}</li>`)}</ul>`;
}

/* The machines whose copy may come; one that is named for two users is shown once. */
function Suppliers({ suppliers }) {
    const machines = [...new Map(suppliers.map((one) => [one.id, one])).values()];
    if (machines.length === 0) {
        return html`<div class="notice warn"><p>${t("user_data.no_supplier")}</p></div>`;
    }
    return html`<h3>${t("user_data.suppliers")}</h3>
        <ul class="names">${machines.slice(0, SUPPLIERS_SHOWN).map((one) => html`
            <li key=${one.id}><bdi translate="no">${one.name || one.id}</bdi>${one.connected &&
                html`${" "}<${Badge} kind="ok">${t("user_data.connected")}<//>`}</li>`)}
            ${machines.length > SUPPLIERS_SHOWN && html`<li class="quiet">
                ${t("user_data.more", { count: machines.length - SUPPLIERS_SHOWN })}</li>`}</ul>`;
}

function counts(preview, devices) {
    return [
        [t("user_data.users"), html`<${Num} value=${preview.users} />`],
        [t("user_data.groups"), html`<${Num} value=${preview.groups} />`],
        [t("user_data.items"), html`<${Num} value=${preview.items} />`],
        [t("user_data.bytes"), html`<${Bytes} value=${preview.bytes} />`],
        devices && [t("user_data.devices"), html`<${Num} value=${preview.devices} />`],
    ];
}

/* Names that somebody else deleted since they were ticked. */
function Missing({ names }) {
    return names.length > 0 && html`<div class="notice warn">
        <p><strong>${t("user_data.missing", { count: names.length })}</strong></p>
        <${Names} rows=${names.map((name) => ({ name }))} /></div>`;
}

function Preview({ rows, preview, adopt }) {
    const gone = new Set(preview.missing);
    const left = rows.filter((row) => !gone.has(row.name));
    return html`
        <${Missing} names=${preview.missing} />
        ${left.length > 0 && html`
            <${Names} rows=${left} />
            <${Definitions} rows=${counts(preview, true)} />
            <h3>${t("user_data.will_happen")}</h3>
            <${Effects} preview=${preview} adopt=${adopt} />
            ${preview.suppliers && html`<${Suppliers} suppliers=${preview.suppliers} />`}`}
        <${Failures} failed=${preview.failed} />`;
}

async function deleteAll(rows, adopt, progress) {
    const answers = [];
    let done = 0;
    progress(0, rows.length);
    const before = adopt ? await headNow() : undefined; /* who is made anew is restored to it */
    for (const part of inParts(rows, STEP)) {
        answers.push(await ask(part, adoption(adopt)));
        done += part.length;
        progress(done, rows.length);
    }
    return { answer: summed(answers), before };
}

/* Ask, and delete. Resolves to what DeleteResult shows, or null: nothing was done. */
export async function deleteOwners(rows) {
    const done = await confirmAction({
        title: t("user_data.delete_title", { count: rows.length }),
        fields: [{
            name: "adopt", label: t("user_data.adopt"), help: t("user_data.adopt_help"),
            value: false,
        }],
        preview: async ({ adopt }, signal) => {
            const answer = await ask(rows, { ...adoption(adopt), dry_run: true }, { signal });
            if (answer.missing.length === rows.length) {
                throw new Problem(404, { code: "owners_gone" }); /* nothing to say Yes to */
            }
            return answer;
        },
        describe: (preview, { adopt }) =>
            html`<${Preview} rows=${rows} preview=${preview} adopt=${adopt} />`,
        undo: t("user_data.delete_undo"),
        danger: true,
        run: ({ adopt }, progress) => deleteAll(rows, adopt, progress),
        command: ({ adopt }) => commands(rows, (noun, names) =>
            [noun, "rm", adopt ? "--adopt" : null, ...argumentsOf(names)], command),
    });
    return done && { key: ++results, rows, ...done.value, adopt: done.values.adopt };
}

/* Those of the rows that were deleted by this request. */
function deletedRows({ rows, answer }) {
    const not = new Set([...answer.missing, ...answer.failed.map((row) => row.name)]);
    return rows.filter((row) => !not.has(row.name));
}

/* Who was deleted by somebody else, when, and by whom, as far as the server knows. */
function Others({ names }) {
    const [known, setKnown] = useState({});
    useEffect(() => {
        let current = true;
        names.slice(0, 20).forEach(async (name) => {
            const answer = await api.get("/owners/deleted", { query: { search: name, limit: 50 } })
                .catch(() => ({ deleted: [] }));
            const row = answer.deleted.find((one) => one.name === name);
            if (row && current) {
                setKnown((before) => ({ ...before, [name]: row }));
            }
        });
        return () => {
            current = false;
        };
    }, [names.join("/")]);
    return names.length > 0 && html`<div class="others">
        <p><strong>${t("user_data.others", { count: names.length })}</strong></p>
        <ul>${names.slice(0, 20).map((name) => html`<li key=${name}>
            <${OwnerName} name=${name} />
            ${known[name]?.time && html`${" – "}<span class="quiet">${
                t("user_data.deleted_by", { by: known[name].actor || "?" })}${", "}<${Time}
                at=${known[name].time} both /></span>`}</li>`)}</ul>
    </div>`;
}

/* Until when the deletion can be taken back: the newest deletion tells. */
function useUntil(wanted) {
    const [until, setUntil] = useState(null);
    useEffect(() => {
        if (wanted) {
            api.get("/owners/deleted", { query: { limit: 1 } }).then(
                (answer) => setUntil(answer.deleted[0]?.until ?? null), () => {});
        }
    }, [wanted]);
    return until;
}

/* What became of a deletion, and the way back. */
export function DeleteResult({ result, onRestored, onClose }) {
    const { answer, adopt, before } = result;
    const head = useRef(null);
    const rows = deletedRows(result);
    const some = answer.users + answer.groups > 0;
    const until = useUntil(some);
    useLayoutEffect(() => head.current?.focus(), []);
    const undo = async () => (await restoreOwners(rows, { at: before })) && onRestored();
    return html`<section class="notice ${some && answer.failed.length === 0 ? "" : "warn"} result"
            role="status">
        <h2 ref=${head} tabindex="-1">${some
            ? t("user_data.was_deleted", { users: answer.users, groups: answer.groups })
            : t("user_data.nothing_deleted")}</h2>
        ${some && html`<${Names} rows=${rows} max=${4} />
            <${Definitions} rows=${[...counts(answer, false).slice(2),
                [t("user_data.seq"), html`<${Seq} value=${answer.seq} />`]]} />
            ${adopt && html`<p>${t("user_data.adopt_waits")}</p>`}`}
        <${Others} names=${answer.missing} />
        <${Failures} failed=${answer.failed} />
        <div class="result-foot">
            ${some && html`<button class="outline" onClick=${undo}>${t("user_data.undo")}</button>
                ${until && html`<span class="quiet">${t("user_data.undo_until")}${" "}<${Time}
                    at=${until} both /></span>`}
                <a href=${href("/user-data", { tab: "deleted" })}>${t("user_data.to_deleted")}</a>`}
            <button class="secondary outline" onClick=${onClose}>${t("common.close")}</button>
        </div>
    </section>`;
}

