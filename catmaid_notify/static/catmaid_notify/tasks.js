const STATES = ["running", "success", "failure"];

/**
 * Return the tasks of one user that are running, fed by pushes and by unread sets. The latest state of each one wins. Loaded when
 * there is the first one. `emit(type, detail)` hears each new state (`progress`) and the list after each change (`tasks`).
 *
 * `request` is the number of the latest request for the unread set at the moment when something came in.
 */
export function makeTasks(emit) {
    const running = new Map(); // id → task
    const latest = new Map(); // id → {updated, state, request}, finished ones too, so that late frames don't bring them back

    const list = () => [...running.values()];

    /** Take one state in; return whether it is news. */
    function update(task, request) {
        const { id, updated, state } = task;
        const known = latest.get(id);
        if (known && !isNewer(task, known)) {
            return false;
        }
        latest.set(id, { updated, state, request });
        if (state === "running") {
            running.set(id, task);
        } else {
            running.delete(id);
        }
        return true;
    }

    function tell(news, isChanged) {
        news.forEach((task) => emit("progress", task));
        if (isChanged) {
            emit("tasks", list());
        }
    }

    return {
        /** The running tasks in the order in which they were first heard of. */
        get list() {
            return list();
        },

        /** Take one state in that was pushed. */
        push(raw, request) {
            const news = toTasks([raw]).filter((task) => update(task, request));
            tell(news, news.length > 0);
        },

        /** Take the running tasks in that the latest request has brought. */
        apply(raw, request) {
            const tasks = toTasks(raw);
            const listed = new Set(tasks.map(({ id }) => id));
            const news = tasks.filter((task) => update(task, request));
            // The end of these was pushed while we were away.
            const gone = [...running.keys()].filter((id) => !listed.has(id) && latest.get(id).request < request);
            gone.forEach((id) => running.delete(id));
            tell(news, news.length + gone.length > 0);
        },
    };
}

/** Times are ISO 8601 in one zone, so their texts tell; at the same time the end is later than anything else. */
function isNewer(task, known) {
    const isEnd = task.state !== "running" && known.state === "running";
    return task.updated > known.updated || (task.updated === known.updated && isEnd);
}

/** Return the tasks in JSON that came over the network, without those that have no usable id; fields have the types that they should. */
function toTasks(raw) {
    return raw
        .filter((task) => task?.id && typeof task.id === "string")
        .map(({ id, title, state, done, total, text, updated }) =>
            Object.freeze({
                id,
                title: toText(title),
                state: STATES.includes(state) ? state : STATES[0],
                done: toCount(done),
                total: toCount(total),
                text: toText(text),
                updated: toText(updated),
            }),
        );
}

const toText = (value) => (typeof value === "string" ? value : "");
const toCount = (value) => (typeof value === "number" && value > 0 ? value : 0);
