/**
 * Tells what is news for who sits at this tab. Messages that waited when a page was loaded are news only if they came since the
 * tab's former page: a tab that is opened on ten old messages shows a bell with a number, not ten toasts.
 */
export class News {
    #storage;
    #key;
    #formerPage; // highest id that the tab's former page has shown; Infinity for the tab's first page
    #highest = 0;

    constructor(user, storage = tabStorage()) {
        this.#storage = storage;
        this.#key = `catmaid-notify:${user}:shown`;
        this.#formerPage = Number(this.#read() ?? Infinity);
    }

    isNew(message, backlog) {
        this.#highest = Math.max(this.#highest, message.id);
        this.settle();
        return !backlog || message.id > this.#formerPage;
    }

    /** Write down how far this page has got, even if that is nowhere. */
    settle() {
        try {
            this.#storage?.setItem(this.#key, String(Math.max(this.#highest, Number(this.#read() ?? 0))));
        } catch {
            // Full or forbidden: then the next page shows a bell with a number, and no toast.
        }
    }

    #read() {
        try {
            return this.#storage?.getItem(this.#key) ?? null;
        } catch {
            return null;
        }
    }
}

function tabStorage() {
    try {
        return globalThis.sessionStorage;
    } catch {
        return null; // where cookies are blocked, even looking at it throws
    }
}
