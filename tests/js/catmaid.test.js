import assert from "node:assert/strict";
import { test } from "node:test";

import { feedCatmaid } from "../../catmaid_notify/static/catmaid_notify/catmaid.js";
import { makeLiveSite, makeSite } from "./helpers/site.js";

/** What the adapter finds in CATMAID: a client with its own socket and poller, and its handlers. */
function makeCatmaid() {
    const log = [];
    const client = {
        _updateSocket: { onclose: () => log.push("reconnects"), close: () => log.push("socket closed") },
        refreshBackChannel: () => log.push("own socket"),
        closeBackChannel: () => log.push("poller ended"),
    };
    const handler = (name) => [name, (given, payload) => log.push([name, given === client, payload])];
    return { log, client, Client: { messageHandlers: new Map(["new-message", "neuron-changed"].map(handler)) } };
}

test("CATMAID's handlers get each new message once, and the site's events", async () => {
    const { notifier, server } = await makeLiveSite();
    const catmaid = makeCatmaid();
    feedCatmaid(notifier, catmaid);
    assert.deepEqual(catmaid.log.splice(0), ["poller ended", "socket closed"]);
    assert.equal(catmaid.client._updateSocket.onclose, null);
    server.notify({ id: 5, title: "Crop" });
    await notifier.sync();
    server.socket.push({ event: "neuron-changed", payload: { id: 7 } });
    server.socket.push({ event: "nobody-knows", payload: 1 });
    assert.deepEqual(catmaid.log, [
        ["new-message", true, { message_id: 5, message_title: "Crop" }],
        ["neuron-changed", true, { id: 7 }],
    ]);
});

test("a title is escaped: CATMAID puts it into the page as HTML", async () => {
    const { notifier, server } = await makeLiveSite();
    const catmaid = makeCatmaid();
    feedCatmaid(notifier, catmaid);
    server.notify({ id: 5, title: "<img src=x onerror='f(\"&\")'>" });
    const [, , { message_title: title }] = catmaid.log.at(-1);
    assert.equal(title, "&#60;img src=x onerror=&#39;f(&#34;&#38;&#34;)&#39;&#62;");
});

test("what waited when the page was loaded is not told, and a login starts the notifier", async () => {
    const site = makeSite();
    site.server.notify({ id: 5 }, { push: false });
    const catmaid = makeCatmaid();
    feedCatmaid(site.notifier, catmaid);
    catmaid.log.length = 0;
    catmaid.client.refreshBackChannel();
    await site.clock.advance(0);
    assert.equal(site.notifier.state, "live");
    assert.deepEqual(catmaid.log, []);
});

test("a client that has no socket yet", () => {
    const catmaid = makeCatmaid();
    delete catmaid.client._updateSocket;
    feedCatmaid(makeSite().notifier, catmaid);
    assert.deepEqual(catmaid.log, ["poller ended"]);
});
