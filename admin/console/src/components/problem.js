/* problem.js - what went wrong, what to do about it, and the code to look it up by. */
import { hasText, lang, t } from "../i18n.js";
import { html } from "../lib.js";

/* The title and the advice of a problem in the reader's language, if the code is known; else as
 * the server said it. */
export function wordsOf(problem) {
    const code = problem.code ?? "unknown";
    const title = `problem.${code}`;
    const advice = `problem.${code}_do`;
    return {
        title: hasText(title) ? t(title, problem)
            : (lang.value === "en" && problem.title) || t("problem.unknown"),
        advice: hasText(advice) ? t(advice, problem) : t("problem.unknown_do"),
        detail: problem.detail ?? problem.message ?? "",
        code,
    };
}

/* <${ProblemView} problem=${problem} retry=${() => ...} />: nothing when there is no problem. */
export function ProblemView({ problem, retry }) {
    if (!problem) {
        return null;
    }
    const { title, advice, detail, code } = wordsOf(problem);
    return html`<div class="problem" role="alert">
        <p class="problem-title">${title}</p>
        <p>${advice}</p>
        ${detail && html`<p class="problem-detail" lang="en">${detail}</p>`}
        <p class="problem-foot"><code>${code}</code>
            ${retry && html`<button class="small outline" onClick=${retry}>
                ${t("common.retry")}</button>`}</p>
    </div>`;
}
