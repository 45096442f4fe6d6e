/** A page that uses all of the client's API; the compiler checks it against the declarations. Nothing runs it. */
import { createNotifier, type Message, type Notifier } from "catmaid-notify";
import { feedCatmaid } from "catmaid-notify/catmaid.js";
import { makeClaims } from "catmaid-notify/claims.js";
import { attachInbox } from "catmaid-notify/inbox.js";
import { HELLO, NO_SESSION, SUBPROTOCOL } from "catmaid-notify/protocol.js";

const notifier: Notifier = createNotifier({
    user: "7",
    unreadUrl: "/notify/unread",
    readUrl: "/notify/read",
    updatesUrl: "/channels/updates/",
    intervals: { pollMs: 30_000 },
    adapters: { logger: console },
});

const titles: string[] = [];
const keep = ({ title }: Message) => titles.push(title);
const controller = new AbortController();
notifier.on("message", ({ message, backlog }) => backlog || keep(message), { signal: controller.signal });
const off: () => void = notifier.on("state", ({ state, code }) => {
    if (state === "signedout" || code === NO_SESSION) {
        off();
    }
});
notifier.on("progress", ({ done, total }) => total > 0 && done / total);
notifier.on("event", ({ event, payload, topic }) => [event === HELLO, payload, topic ?? SUBPROTOCOL]);
notifier.start();
const end: () => void = notifier.subscribe("sheet:42", ({ payload }) => payload);
const sent: boolean = notifier.publish("sheet:42", "saved", { cell: "B2" });
void notifier.markRead(notifier.unread.messages.map(({ id }) => id)).then((ok: boolean) => ok && sent);
void notifier.markRead({ all: true });
const claim = makeClaims("/lab/", { signal: controller.signal });
void claim("toast 7").then((isOurs: boolean) => isOurs && notifier.state === "follower");
notifier.on("error", ({ kind }) => kind === "module");
const detach: () => void = attachInbox(notifier, document.body, { toasts: false });
detach();
end();
notifier.stop();
document.addEventListener("catmaid-notify:ready", ({ detail }) => detail.notifier === window.catmaidNotify);
declare const CATMAID: Parameters<typeof feedCatmaid>[1];
feedCatmaid(notifier, CATMAID);

// @ts-expect-error there is no such event
notifier.on("messages", () => {});
// @ts-expect-error that is makeClaims()
void notifier.claim("toast 7");
// @ts-expect-error ids are numbers
void notifier.markRead("7");
// @ts-expect-error the inbox has to be somewhere
createNotifier({ updatesUrl: "/channels/updates/" });
// @ts-expect-error messages are the same for all who listen
notifier.on("message", ({ message }) => (message.title = ""));
