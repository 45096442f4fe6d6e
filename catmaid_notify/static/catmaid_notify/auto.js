/** Entry point of `{% catmaid_notify %}`: starts a notifier with the options in the `data-` attributes of the script tag. */

import { createNotifier } from "./index.js";

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
    // Start even if the bell fails to load: the site's own listeners still need their messages.
    attach(notifier, mount)
        .catch(reportError)
        .finally(() => notifier.start());
}

/** Load the bundled inbox and attach it to the element with the id `mount`, if the page has one. */
async function attach(notifier, mount) {
    const element = mount && document.getElementById(mount);
    if (element) {
        const { attachInbox } = await import("./ui/inbox.js");
        attachInbox(notifier, element);
    }
}
