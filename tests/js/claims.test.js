/** Something once per browser: of all windows that claim a key, one gets it. */
import assert from "node:assert/strict";
import { test } from "node:test";

import { makeClaims } from "../../catmaid_notify/static/catmaid_notify/claims.js";
import { FakeBrowser } from "./helpers/browser.js";
import { flush } from "./helpers/clock.js";

/** A browser with `count` windows, each with its own `claim`; those in `focused` say that they have the focus. */
async function openWindows(count, { focused = [] } = {}) {
    const browser = new FakeBrowser();
    const windows = [];
    for (let number = 0; number < count; number += 1) {
        const { adapters, document, window } = await browser.open();
        const controller = new AbortController();
        document.hasFocus = () => focused.includes(number);
        const claim = makeClaims("lab", { signal: controller.signal, adapters: { ...adapters, random: () => number / 10 } });
        windows.push({ claim, window, controller });
    }
    return { browser, clock: browser.clock, windows };
}

const claimAll = async (clock, windows, key = "toast 1") => {
    const claims = windows.map(({ claim }) => claim(key));
    await clock.advance(100);
    return Promise.all(claims);
};

test("of all windows that claim the same in the same moment, one gets it", async () => {
    const { browser, clock, windows } = await openWindows(5);
    assert.deepEqual(await claimAll(clock, windows), [true, false, false, false, false]);
    assert.equal(await windows[3].claim("toast 1"), false);
    const later = await browser.open();
    const claim = makeClaims("lab", { adapters: later.adapters })("toast 1");
    await clock.advance(100);
    assert.equal(await claim, false, "a window that was opened later is told");
    assert.deepEqual(await claimAll(clock, windows.slice(2), "toast 2"), [true, false, false], "another key is free");
});

test("the window that has the focus gets it, whichever asks first", async () => {
    for (const order of [
        [0, 1, 2],
        [2, 1, 0],
    ]) {
        const { clock, windows } = await openWindows(3, { focused: [1] });
        const claims = order.map((number) => windows[number].claim("toast 1"));
        await clock.advance(100);
        const got = await Promise.all(claims);
        assert.deepEqual(got.map((isOurs, index) => isOurs && order[index]).filter(Number.isInteger), [1]);
    }
});

test("a window that has the focus comes too late for what another one has got", async () => {
    const { clock, windows } = await openWindows(2, { focused: [1] });
    assert.deepEqual(await claimAll(clock, [windows[0]]), [true]);
    assert.deepEqual(await claimAll(clock, [windows[1]]), [false]);
});

test("a claim is kept when who had it is gone", async () => {
    const { clock, windows } = await openWindows(2);
    assert.deepEqual(await claimAll(clock, [windows[0]]), [true]);
    windows[0].controller.abort();
    assert.equal(await windows[1].claim("toast 1"), false);
});

test("a window that is opened while another one waits for objections doesn't get the same", async () => {
    const { browser, clock, windows } = await openWindows(1);
    const first = windows[0].claim("toast 1");
    const second = await browser.open();
    const claim = makeClaims("lab", { adapters: { ...second.adapters, random: () => 0.9 } })("toast 1");
    await clock.advance(100);
    assert.deepEqual([await first, await claim], [true, false]);
});

test("a window that heard of a claim before it asked itself is told again", async () => {
    const { clock, windows } = await openWindows(2, { focused: [0] });
    const first = windows[0].claim("toast 1");
    await clock.advance(50);
    const second = windows[1].claim("toast 1");
    await clock.advance(0);
    await flush();
    assert.equal(await second, false, "at once, not only when the other one has got it");
    await clock.advance(50);
    assert.equal(await first, true);
});

test("other names have nothing to do with each other", async () => {
    const { browser, clock, windows } = await openWindows(1);
    const { adapters } = await browser.open();
    const other = makeClaims("another lab", { adapters })("toast 1");
    const own = windows[0].claim("toast 1");
    await clock.advance(100);
    assert.deepEqual([await own, await other], [true, true]);
});

test("without channels a window is alone, and gets what it claims, once", async () => {
    const browser = new FakeBrowser();
    const { adapters } = await browser.open();
    const claim = makeClaims("lab", { adapters: { ...adapters, BroadcastChannel: undefined } });
    const claims = [claim("toast 1"), claim("toast 1")];
    await browser.clock.advance(100);
    assert.deepEqual(await Promise.all(claims), [true, false]);
});

test("a page that is kept for the Back button hears nothing, and takes part again when it is shown", async () => {
    const { browser, clock, windows } = await openWindows(2);
    const before = browser.left;
    const pending = windows[0].claim("toast 1");
    windows[0].window.fire("pagehide");
    windows[0].window.fire("pagehide");
    assert.equal(await pending, true);
    assert.equal(browser.left, before - 3, "its channel, and the channel and the lock of its notifier are gone");
    windows[0].window.fire("pageshow");
    assert.deepEqual(await claimAll(clock, windows, "toast 2"), [true, false]);
});

test("its end leaves no channel and no timer, and what is still asked for is given", async () => {
    const { browser, clock, windows } = await openWindows(2);
    const before = browser.left;
    const armed = clock.armed;
    const pending = windows[1].claim("toast 1");
    windows[1].controller.abort();
    assert.equal(await pending, true);
    await flush();
    assert.equal(browser.left, before - 1);
    assert.equal(clock.armed, armed);
    windows[1].window.fire("pageshow");
    assert.equal(browser.left, before - 1);
});
