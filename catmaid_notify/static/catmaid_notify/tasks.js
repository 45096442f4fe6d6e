/**
 * Return the tasks of one user that are running, fed by pushes and by unread sets. The latest state of each one wins.
 * `requests()` is the number of requests for the unread set so far.
 */
export function makeTasks(requests) {
    const running = new Map(); // id → task
    const latest = new Map(); // id → {updated, state, at}, finished ones too, so that late frames don't bring them back

    /** Take one state in; return whether it is news. */
    function update(task) {
        const { id, updated, state } = task;
        const known = latest.get(id);
        if (known && !isNewer(task, known)) {
            return false;
        }
        latest.set(id, { updated, state, at: requests() });
        if (state === "running") {
            running.set(id, task);
        } else {
            running.delete(id);
        }
        return true;
    }

    return {
        update,

        /** The running tasks in the order in which they were first heard of. */
        get list() {
            return [...running.values()];
        },

        /** Take the tasks that the latest request has brought; return `{news, changed}`. */
        apply(tasks) {
            const listed = new Set(tasks.map(({ id }) => id));
            const news = tasks.filter(update);
            // The end of these was pushed while we were away.
            const gone = [...running.keys()].filter((id) => !listed.has(id) && latest.get(id).at < requests());
            gone.forEach((id) => running.delete(id));
            return { news, changed: news.length + gone.length > 0 };
        },

        clear() {
            running.clear();
            latest.clear();
        },
    };
}

/** Times are ISO 8601 in one zone, so their texts tell; at the same time the end is later than anything else. */
function isNewer(task, known) {
    const isEnd = task.state !== "running" && known.state === "running";
    return task.updated > known.updated || (task.updated === known.updated && isEnd);
}
