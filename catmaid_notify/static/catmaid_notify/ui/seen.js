/** Record of the messages that this tab has shown, across its pages. */

/**
 * Filter for messages that are new to the user of this tab. Backlog is new only if it came after the tab's previous page: a tab
 * that opens with ten old messages shows a number on the bell, not ten toasts.
 */
export class SeenMessages {
    #storage;
    #key;
    #previousPage; // highest id of the tab's previous page; Infinity on the tab's first page
    #laterPage = 0; // highest id of later pages, after the Back button has led here
    #highest = 0;

    constructor({ messagesUrl, user }, storage = tabStorage()) {
        this.#storage = storage;
        this.#key = `catmaid-notify:${messagesUrl}:${user}:shown`;
        this.#previousPage = Number(this.#read() ?? Infinity);
    }

    /** Record a message. Returns whether it is new. */
    isNew(message, backlog) {
        this.#highest = Math.max(this.#highest, message.id);
        this.save();
        return message.id > (backlog ? this.#previousPage : this.#laterPage);
    }

    /** Read the record again, after the user has come back from later pages. */
    resume() {
        this.#laterPage = Number(this.#read());
    }

    /** Save the record, even without any message: the next page then isn't the tab's first one. */
    save() {
        try {
            this.#storage.setItem(this.#key, Math.max(this.#highest, Number(this.#read())));
        } catch {
            // No storage, or a full one: the next page takes its whole backlog as seen.
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
        return null; // blocked cookies make the property throw
    }
}
