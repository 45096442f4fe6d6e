import assert from "node:assert/strict";
import { test } from "node:test";

import { Announcer } from "../../../catmaid_notify/static/catmaid_notify/ui/announcer.js";
import { FakeClock } from "../helpers/clock.js";

test("announcements: one in 2 s at most, several messages as their number", async () => {
    const clock = new FakeClock();
    const said = [];
    const announcer = new Announcer({
        adapters: clock,
        say: (text) => said.push([clock.now(), text]),
        describe: (titles) => (titles.length === 1 ? `New message: ${titles[0]}` : `New messages: ${titles.length}`),
    });
    announcer.add("A");
    await clock.advance(500);
    for (const title of ["B", "C", "D"]) {
        announcer.add(title);
    }
    await clock.advance(10_000);
    announcer.add("A");
    await clock.advance(0);
    assert.deepEqual(said, [
        [0, "New message: A"],
        [2_000, "New messages: 3"],
        [4_000, ""],
        [10_500, "New message: A"],
    ]);
    announcer.stop();
    assert.equal(clock.armed, 0);
});
