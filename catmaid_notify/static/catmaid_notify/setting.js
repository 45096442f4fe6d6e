/** Whether a user gets desktop notifications, as this browser keeps it. */
export const desktopSetting = {
    isOn(user) {
        try {
            return Notification.permission === "granted" && localStorage.getItem(keyOf(user)) !== null;
        } catch {
            return false; // where there are none, or cookies are blocked
        }
    },

    set(user, isOn) {
        if (isOn) {
            localStorage.setItem(keyOf(user), "on");
        } else {
            localStorage.removeItem(keyOf(user));
        }
    },
};

const keyOf = (user) => `catmaid-notify:${user}:desktop`;
