/* export.js - Export: personal setting information, user group address lists, or both, in one
 * file. */
import { api } from "../api.js";
import { CopyCommand } from "../components/copy.js";
import { Page } from "../components/page.js";
import { ProblemView } from "../components/problem.js";
import { Badge, Field } from "../components/small.js";
import { getCommand, ITEMS, snapshotAddress } from "../exports.js";
import { t } from "../i18n.js";
import { html, useState } from "../lib.js";
import { can } from "../session.js";
import { Facts, Prepared, SnapshotFacts } from "./exports/prepared.js";

/* The browser's own download: it goes on by itself where it broke off. */
function download(id) {
    const link = document.createElement("a");
    link.href = snapshotAddress(id);
    link.download = "";
    document.body.append(link);
    link.click();
    link.remove();
}

function Items({ items, setItems }) {
    const tick = (name, on) => setItems(ITEMS.filter((one) =>
        one === name ? on : items.includes(one)));
    return html`<fieldset>
        <legend>${t("exports.what")}</legend>
        ${ITEMS.map((name) => html`<label key=${name}><input type="checkbox"
            checked=${items.includes(name)}
            onChange=${(event) => tick(name, event.target.checked)} />
            ${" "}${t(`exports.item_${name.replaceAll("-", "_")}`)}</label>`)}
    </fieldset>`;
}

function Choosing({ one, reload }) {
    const [items, setItems] = useState(ITEMS);
    const [password, setPassword] = useState("");
    const [made, setMade] = useState(null);
    const [busy, setBusy] = useState(false);
    const [problem, setProblem] = useState(null);
    const submit = async (event) => {
        event.preventDefault();
        setBusy(true);
        setProblem(null);
        try {
            const body = password ? { items, password } : { items };
            setMade(await api.post(`/exports/${encodeURIComponent(one.id)}/snapshot`, body));
            setPassword("");
            download(one.id);
        } catch (failure) {
            setProblem(failure);
            reload();
        }
        setBusy(false);
    };
    return html`
        <${Facts} one=${one} />
        <form class="card" onSubmit=${submit}>
            <${Items} items=${items} setItems=${setItems} />
            <${Field} label=${t("exports.password")} help=${t("exports.password_help")}>${(a) =>
                html`<input ...${a} type="password" autocomplete="new-password" maxlength="1024"
                    value=${password} onInput=${(event) => setPassword(event.target.value)} />`}<//>
            <${ProblemView} problem=${problem} />
            <div class="form-foot"><button disabled=${busy || items.length === 0}
                aria-busy=${busy}>${t("exports.export")}</button></div>
        </form>
        ${made && html`<section class="card" role="status">
            <h2>${t("exports.made")}</h2>
            <${SnapshotFacts} one=${made} />
            <p><a download href=${snapshotAddress(one.id)}>${t("exports.download_again")}</a></p>
        </section>`}
        <${CopyCommand} command=${getCommand(one.id)} />`;
}

export default function Export() {
    return html`<${Page} title=${t("nav.export")} intro=${t("exports.intro_export")}>
        ${can("operator") ? html`<${Prepared}>${(one, reload) => html`
            <${Choosing} key=${one.id} one=${one} reload=${reload} />`}<//>`
            : html`<p class="quiet"><${Badge} kind="quiet">${t("exports.viewer")}<//></p>`}
    <//>`;
}
