/* main.js - where the console begins: language and theme, who is signed in, then the page. */
import { startActivity } from "./activity.js";
import { App } from "./app.js";
import { keepFocus } from "./focus.js";
import { savedLanguage, setLanguage } from "./i18n.js";
import { html, render } from "./lib.js";
import { startRouter } from "./router.js";
import { loadSession, session } from "./session.js";
import { startTheme } from "./theme.js";

startActivity();
startTheme();
startRouter();
keepFocus();
/* both at once; a server that can't be reached is told by the page */
const [, failed] = await Promise.all([
    setLanguage(savedLanguage()),
    loadSession().catch((problem) => problem),
]);
if (failed) {
    session.value = null;
}
render(html`<${App} unreachable=${failed} />`, document.getElementById("app"));
