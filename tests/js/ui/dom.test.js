import assert from "node:assert/strict";
import { test } from "node:test";

import { safeUrl } from "../../../catmaid_notify/static/catmaid_notify/ui/dom.js";

test("links lead to http(s) only", () => {
    const base = "https://lab.example/catmaid/";
    const cases = [
        ["/download/1", "https://lab.example/download/1"],
        ["download/1?a=b#c", "https://lab.example/catmaid/download/1?a=b#c"],
        ["https://elsewhere.example/x", "https://elsewhere.example/x"],
        ["http://elsewhere.example/x", "http://elsewhere.example/x"],
        ["javascript:alert(1)", null],
        [" JaVaScRiPt:alert(1)", null],
        ["java\nscript:alert(1)", null],
        ["data:text/html,x", null],
        ["blob:https://lab.example/1", null],
        ["file:///etc/passwd", null],
        ["http://[", null],
        ["", null],
    ];
    for (const [action, expected] of cases) {
        assert.equal(safeUrl(action, base), expected, action);
    }
});
