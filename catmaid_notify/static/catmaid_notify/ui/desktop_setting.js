/** Setting for desktop notifications, stored per user in this browser. */
export const desktopSetting = {
    keyOf: ({ messagesUrl, user }) => `catmaid-notify:${messagesUrl}:${user}:desktop`,

    isOn(notifier) {
        try {
            return Notification.permission === "granted" && localStorage.getItem(this.keyOf(notifier)) !== null;
        } catch {
            return false; // the browser lacks `Notification`, or blocks cookies
        }
    },
};
