import { createNotifier } from "./index.js";

/** Starts the notifier that `{% catmaid_notify %}` describes in the attributes of its script tag. */
const script = document.querySelector("script[data-catmaid-notify]");

if (script && !window.catmaidNotify) {
    const { user, unreadUrl, messagesUrl, readUrl, topicsUrl, updatesPath, pollMs, csrfCookie, csrfToken, mount } = script.dataset;
    const notifier = createNotifier({
        user,
        unreadUrl,
        messagesUrl,
        readUrl,
        topicsUrl,
        updatesUrl: updatesPath,
        csrfCookie,
        csrfToken,
        intervals: Number(pollMs) > 0 ? { pollMs: Number(pollMs) } : {},
    });
    window.catmaidNotify = notifier;
    document.dispatchEvent(new CustomEvent("catmaid-notify:ready", { detail: { notifier } }));
    // Without the bell the site's own listeners must still get their messages.
    attach(notifier, mount).catch(reportError).finally(() => notifier.start());
}

async function attach(notifier, mount) {
    const element = mount && document.getElementById(mount);
    if (element) {
        const { attachInbox } = await import("./inbox.js");
        attachInbox(notifier, element);
    }
}
