/* app.js - the whole console: sign-in when nobody is signed in, else the frame with its page. */
import { ConfirmHost } from "./components/confirm.js";
import { Layout } from "./components/layout.js";
import { NotFound } from "./components/page.js";
import { NewPasswordPage } from "./components/new_password.js";
import { ProblemView } from "./components/problem.js";
import { SignInDialog, SignInPage } from "./components/sign_in.js";
import { Loading } from "./components/small.js";
import { Toasts } from "./components/toast.js";
import { fetchPageTexts } from "./i18n.js";
import { html, useEffect, useState } from "./lib.js";
import { go, match, place } from "./router.js";
import { HOME, ROUTES } from "./routes.js";
import { session } from "./session.js";

function find(path) {
    for (const route of ROUTES) {
        const params = match(route.pattern, path);
        if (params) {
            return { route, params };
        }
    }
    return null;
}

/* The page of a route, once it is fetched. A page that can't be fetched is of a server that is
 * away or was updated meanwhile: loading all of the console anew mends both. */
function RoutedPage({ route, params }) {
    const [page, setPage] = useState({});
    useEffect(() => {
        let current = true;
        Promise.all([route.page(), fetchPageTexts()]).then(
            ([module]) => current && setPage({ of: route, view: module.default }),
            (error) => current && setPage({ of: route, failed: error }));
        return () => {
            current = false;
        };
    }, [route]);
    if (page.of !== route) {
        return html`<${Loading} />`;
    }
    if (page.failed) {
        const problem = { status: 0, code: "unreachable", detail: page.failed.message };
        return html`<${ProblemView} problem=${problem} retry=${() => location.reload()} />`;
    }
    const View = page.view;
    return html`<${View} key=${JSON.stringify(params)} ...${params} />`;
}

function Signed() {
    const path = place.value.path;
    const found = find(path);
    useEffect(() => {
        if (path === "/") {
            go(HOME, {}, { replace: true });
        }
    }, [path]);
    const nowhere = path !== "/" && html`<${NotFound} />`;
    const shown = found ? html`<${RoutedPage} ...${found} />` : nowhere;
    return html`<${Layout} nav=${found?.route.nav}>${shown}<//>`;
}

/* Nobody, somebody who has to choose a password, or somebody who may go on. */
function Inside({ unreachable }) {
    if (!session.value) {
        return html`<${SignInPage} problem=${unreachable} />`;
    }
    return session.value.must_change ? html`<${NewPasswordPage} />` : html`<${Signed} />`;
}

export function App({ unreachable }) {
    return html`
        <${Inside} unreachable=${unreachable} />
        <${ConfirmHost} />
        <${SignInDialog} />
        <${Toasts} />`;
}
