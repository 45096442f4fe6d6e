/** The newest unread messages that are kept, and shown as new at once; of the others only the number is known. */
export const KEPT = 100;

/**
 * What one user has not read, as far as this page knows: fed by pushes and by unread sets, in whatever order they come.
 *
 * An unread set is a picture of the moment when its request ran. `requests()` is the number of requests so far, so that what
 * happened since the latest one began is not undone by its older picture.
 */
export class Mailbox {
    #requests;
    #unread = new Map(); // id → message
    #arrived = new Map(); // id → requests before its push, for those that are in #unread
    #seen = new Set(); // ids that were shown; for the life of the page, whoever is signed in
    #read = new Set();
    #readAt = 0; // requests before the latest change from unread to read
    #pending = new Set(); // one token for each read that the server has not confirmed
    #floor = -Infinity; // smaller ids were waiting already when more than KEPT were unread

    count = 0;
    /** True when there are more than `count`. */
    more = false;

    constructor(requests) {
        this.#requests = requests;
    }

    /** The newest unread messages, newest first. */
    get messages() {
        return newestFirst(this.#unread.values());
    }

    /** True while the server has not confirmed a read, so that unread sets can't be applied. */
    get pending() {
        return this.#pending.size > 0;
    }

    /** Take a pushed message in; return whether it is to be shown as new. */
    add(message) {
        if (this.#seen.has(message.id) || this.#read.has(message.id) || message.read) {
            this.#seen.add(message.id);
            return false;
        }
        this.#arrived.set(message.id, this.#requests());
        this.#keep([message]);
        this.count += 1;
        return true;
    }

    /**
     * Replace what is known by the unread set that the latest request has brought.
     *
     * Returns `null` when it may show a moment before messages were read, so that another one is needed, else
     * `{fresh, read}`: messages to show as new, oldest first, each with `backlog`, and ids that were read elsewhere.
     */
    apply({ messages: unsorted, count, more }) {
        const request = this.#requests();
        if (this.pending || request <= this.#readAt) {
            return null;
        }
        const messages = newestFirst(unsorted);
        const listed = new Set(messages.map(({ id }) => id));
        const unlisted = [...this.#unread.values()].filter(({ id }) => !listed.has(id));
        const pushedMeanwhile = unlisted.filter(({ id }) => this.#arrived.get(id) >= request);
        const complete = count <= messages.length && !more;
        const oldestListed = messages.at(-1)?.id ?? -Infinity;
        const read = unlisted
            .filter((message) => !pushedMeanwhile.includes(message) && (complete || message.id > oldestListed))
            .map(({ id }) => id);
        const fresh = messages
            .slice(0, KEPT)
            .filter(({ id }) => !this.#seen.has(id))
            .map((message) => ({ message, backlog: message.id < this.#floor }))
            .reverse();

        for (const id of read) {
            this.#read.add(id);
        }
        for (const id of listed) {
            this.#read.delete(id);
        }
        if (!complete) {
            this.#floor = Math.max(this.#floor, oldestListed);
        }
        this.#unread.clear();
        this.#keep([...messages, ...pushedMeanwhile]);
        this.count = count + pushedMeanwhile.length;
        this.more = more;
        return { fresh, read };
    }

    /** Take note that messages were read; return `{read, sure}`: ids that were unread here, and whether the count is right. */
    markRead(ids) {
        this.#readAt = this.#requests();
        const sure = !this.more && ids.every((id) => this.#seen.has(id) || this.#read.has(id));
        const read = ids.filter((id) => this.#unread.delete(id));
        for (const id of ids) {
            this.#arrived.delete(id);
            this.#read.add(id);
        }
        this.count = Math.max(this.count - read.length, this.#unread.size);
        return { read, sure };
    }

    /** Take note that everything was read. There may be more than this page knows of. */
    markAllRead() {
        const { read } = this.markRead([...this.#unread.keys()]);
        this.count = 0;
        this.more = false;
        return { read, sure: false };
    }

    /**
     * Begin a read that the server has not confirmed. Returns `{read, settle, undo}`; one of the two functions is to be called.
     */
    expectRead(ids) {
        const { count, more } = this;
        const unread = new Map(this.#unread);
        const { read } = ids === "all" ? this.markAllRead() : this.markRead(ids);
        const token = Symbol();
        this.#pending.add(token);
        const settle = () => {
            this.#pending.delete(token);
            this.#readAt = this.#requests();
        };
        const undo = () => {
            settle();
            this.#keep(read.map((id) => unread.get(id)));
            this.count += ids === "all" ? count : read.length;
            this.more = more;
        };
        return { read, settle, undo };
    }

    /** Forget all but the ids that were shown. */
    clear() {
        for (const known of [this.#unread, this.#arrived, this.#read, this.#pending]) {
            known.clear();
        }
        this.#floor = -Infinity;
        this.#readAt = 0;
        this.count = 0;
        this.more = false;
    }

    #keep(messages) {
        for (const message of messages) {
            this.#unread.set(message.id, message);
            this.#seen.add(message.id);
        }
        for (const { id } of this.messages.slice(KEPT)) {
            this.#unread.delete(id);
        }
        for (const id of this.#arrived.keys()) {
            if (!this.#unread.has(id)) {
                this.#arrived.delete(id);
            }
        }
    }
}

const newestFirst = (messages) => [...messages].sort((a, b) => b.id - a.id);
