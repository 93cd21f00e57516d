// Whether somebody is there.
import assert from "node:assert/strict";
import test from "node:test";

import { somebodyIsThere, startActivity } from "../../../admin/console/src/activity.js";

const MINUTE = 60000;

test("who did nothing for ten minutes is gone, until something is done", (context) => {
    context.mock.method(Date, "now", () => 100 * MINUTE);
    const page = new EventTarget();
    startActivity(page);
    page.dispatchEvent(new Event("keydown"));
    assert.equal(somebodyIsThere(110 * MINUTE - 1), true);
    assert.equal(somebodyIsThere(110 * MINUTE), false);
    Date.now.mock.mockImplementation(() => 120 * MINUTE);
    page.dispatchEvent(new Event("scroll")); // the page scrolls by itself, too
    assert.equal(somebodyIsThere(120 * MINUTE), false);
    page.dispatchEvent(new Event("pointermove"));
    assert.equal(somebodyIsThere(120 * MINUTE), true);
});
