/** Whether the user of a notifier gets desktop notifications, as this browser keeps it. */
export const desktopSetting = {
    keyOf: ({ messagesUrl, user }) => `catmaid-notify:${messagesUrl}:${user}:desktop`,

    isOn(notifier) {
        try {
            return Notification.permission === "granted" && localStorage.getItem(this.keyOf(notifier)) !== null;
        } catch {
            return false; // where there are none, or cookies are blocked
        }
    },
};
