/**
 * Tells what is news for who sits at this tab. Messages that waited when a page was loaded are news only if they came since the
 * tab's former page: a tab that is opened on ten old messages shows a bell with a number, not ten toasts.
 */
export class News {
    #storage;
    #key;
    #formerPage; // highest id that the tab's former page has shown; Infinity for the tab's first page
    #laterPage = 0; // highest id that was shown by pages from which somebody came back to this one
    #highest = 0;

    constructor({ messagesUrl, user }, storage = tabStorage()) {
        this.#storage = storage;
        this.#key = `catmaid-notify:${messagesUrl}:${user}:shown`;
        this.#formerPage = Number(this.#read() ?? Infinity);
    }

    isNew(message, backlog) {
        this.#highest = Math.max(this.#highest, message.id);
        this.settle();
        return message.id > (backlog ? this.#formerPage : this.#laterPage);
    }

    /** Somebody has come back to this page, from others that have shown what came meanwhile. */
    resume() {
        this.#laterPage = Number(this.#read());
    }

    /** Write down how far this page has got, even if that is nowhere. */
    settle() {
        try {
            this.#storage.setItem(this.#key, Math.max(this.#highest, Number(this.#read())));
        } catch {
            // Full, forbidden, or not there: then the next page shows a bell with a number, and no toast.
        }
    }

    #read() {
        try {
            return this.#storage.getItem(this.#key);
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
