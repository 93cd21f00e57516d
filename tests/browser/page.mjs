/* page.mjs - what stands on a page of the console, found as a reader finds it. */
import { until } from "./machines.mjs";

/* The rows of the page's table, without its head. */
export const rowsOf = ({ main, page }) =>
    main.getByRole("row").filter({ has: page.getByRole("cell") });

/* Waits until that value stands beside that name in a list of facts. */
export function factIs({ main, page }, name, value) {
    const term = page.locator("dt").getByText(name, { exact: true });
    const fact = main.locator("dl div").filter({ has: term }).first();
    return fact.locator("dd").filter({ hasText: value }).waitFor();
}

export const countIs = (what, locator, count) =>
    until(what, async () => await locator.count() === count);
