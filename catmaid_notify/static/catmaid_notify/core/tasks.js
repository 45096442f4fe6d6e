/** Running tasks of one user, merged from pushes and unread sets. Loaded with the first task. */

const STATES = ["running", "success", "failure"];

/**
 * Return an empty list of running tasks. The latest state of each task wins.
 *
 * The methods' argument `request` is the number of requests for the unread set up to that time.
 *
 * @param {function(string, object): void} emit  gets `progress` with each new state, and `tasks` with the list after each change
 */
export function makeTasks(emit) {
    const running = new Map(); // id → task
    const latest = new Map(); // id → {updated, state, request}; keeps finished tasks, so that late frames don't revive them

    const list = () => [...running.values()];

    /** Store a state. Returns whether it is newer than the stored one. */
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

    function emitChanges(updated, isChanged) {
        updated.forEach((task) => emit("progress", task));
        if (isChanged) {
            emit("tasks", list());
        }
    }

    return {
        /** The running tasks in order of their first report. */
        get list() {
            return list();
        },

        /** Add a pushed state. */
        push(raw, request) {
            const updated = parseTasks([raw]).filter((task) => update(task, request));
            emitChanges(updated, updated.length > 0);
        },

        /** Replace the list by the running tasks of the latest unread set. */
        apply(raw, request) {
            const tasks = parseTasks(raw);
            const listed = new Set(tasks.map(({ id }) => id));
            const updated = tasks.filter((task) => update(task, request));
            // Tasks that are no longer listed: their end was pushed while this page had no socket.
            const gone = [...running.keys()].filter((id) => !listed.has(id) && latest.get(id).request < request);
            gone.forEach((id) => running.delete(id));
            emitChanges(updated, updated.length + gone.length > 0);
        },
    };
}

/** Compare two states of a task. ISO 8601 times in one zone sort as text; at equal times the final state is newer. */
function isNewer(task, known) {
    const isEnd = task.state !== "running" && known.state === "running";
    return task.updated > known.updated || (task.updated === known.updated && isEnd);
}

/** Return the tasks with valid ids, frozen, each field with its declared type. */
function parseTasks(raw) {
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
