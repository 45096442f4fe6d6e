/** The tasks of one user that are running, fed by pushes and by unread sets. The latest state of each one wins. */
export class Tasks {
    #running = new Map(); // id → task
    #latest = new Map(); // id → {updated, state, at}, finished ones too, so that late frames don't bring them back
    #requests;

    /** `requests()` is the number of requests for the unread set so far. */
    constructor(requests) {
        this.#requests = requests;
    }

    /** The running tasks in the order in which they were first heard of. */
    get list() {
        return [...this.#running.values()];
    }

    /** Take one state in; return whether it is news. */
    update(task) {
        const known = this.#latest.get(task.id);
        if (known && !isNewer(task, known)) {
            return false;
        }
        this.#latest.set(task.id, { updated: task.updated, state: task.state, at: this.#requests() });
        if (task.state === "running") {
            this.#running.set(task.id, task);
        } else {
            this.#running.delete(task.id);
        }
        return true;
    }

    /** Take the tasks that the latest request has brought; return `{news, changed}`. */
    apply(tasks) {
        const request = this.#requests();
        const listed = new Set(tasks.map((task) => task.id));
        const news = tasks.filter((task) => this.update(task));
        // The end of these was pushed while we were away.
        const gone = [...this.#running.keys()].filter((id) => !listed.has(id) && this.#latest.get(id).at < request);
        for (const id of gone) {
            this.#running.delete(id);
        }
        return { news, changed: news.length > 0 || gone.length > 0 };
    }

    clear() {
        this.#running.clear();
        this.#latest.clear();
    }
}

function isNewer(task, known) {
    const byTime = Date.parse(task.updated) - Date.parse(known.updated);
    if (byTime !== 0 && !Number.isNaN(byTime)) {
        return byTime > 0;
    }
    // Within a millisecond the texts tell (ISO 8601, same zone); at the same time the end is later than anything else.
    return task.updated > known.updated || (task.state !== "running" && known.state === "running");
}
