/** Everything that the bundled inbox says. `attachInbox(notifier, element, {texts})` replaces what it names. */
export const TEXTS = Object.freeze({
    heading: "Notifications",
    bell: (count, more) => (count === 0 ? "Notifications" : `Notifications, ${count}${more ? " or more" : ""} unread`),
    running: (count) => (count === 1 ? "1 task running" : `${count} tasks running`),
    tasks: "Running tasks",
    markAll: "Mark all as read",
    markOne: (title) => `Mark as read: ${title}`,
    close: "Close",
    untitled: "Message",
    empty: "You have read everything.",
    waitingForFirst: "Asking for your messages …",
    older: (count, more) => `${count}${more ? " or more" : ""} older unread`,
    newMessage: (title) => `New message: ${title}`,
    newMessages: (count) => `${count} new messages`,
    moreNew: (count) => (count === 1 ? "1 more new message" : `${count} more new messages`),
    show: "Show",
    justNow: "just now",
    toasts: "New messages",
    readFailed: "That could not be saved: the message is still unread.",
    levels: { info: "Information", success: "Success", warning: "Warning", error: "Error" },
    states: {
        stopped: "Updates are switched off.",
        connecting: "Connecting …",
        live: "New messages arrive at once.",
        waiting: "Connection lost, trying again …",
        polling: (pollMs) => `No live connection: checking every ${everyText(pollMs)}.`,
        suspended: "Paused.",
        signedout: "You are signed out. Sign in again to see your messages.",
    },
    unreachable: "The server can't be reached, trying again …",
    outdated: "This page is out of date. Reload it for live updates.",
});

function everyText(delayMs) {
    const seconds = Math.max(1, Math.round(delayMs / 1000));
    if (seconds % 60 === 0) {
        return seconds === 60 ? "minute" : `${seconds / 60} minutes`;
    }
    return seconds === 1 ? "second" : `${seconds} seconds`;
}
