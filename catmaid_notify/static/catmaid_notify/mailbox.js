/** The newest unread messages that are kept, and shown as new at once; of the others only the number is known. */
export const KEPT = 100;

/**
 * What one user has not read, as far as this page knows: fed by pushes and by unread sets, in whatever order they come.
 *
 * An unread set is a picture of the moment when its request ran. `mark()` is called when a request starts, and its result is
 * handed to `apply` with that mark, so that what happened in between is not undone by an older picture.
 */
export class Mailbox {
    #unread = new Map(); // id → message
    #arrived = new Map(); // id → tick of its push, for those that are in #unread
    #seen = new Set(); // ids that were shown; for the life of the page, whoever is signed in
    #read = new Set();
    #tick = 0;
    #readTick = 0; // of the latest change from unread to read
    #pending = new Set(); // one token for each read that the server has not confirmed
    #floor = -Infinity; // smaller ids were waiting already when more than KEPT were unread

    count = 0;
    /** True when there are more than `count`. */
    more = false;

    /** The newest unread messages, newest first. */
    get messages() {
        return [...this.#unread.values()].sort((a, b) => b.id - a.id);
    }

    mark() {
        return ++this.#tick;
    }

    /** Take a pushed message in; return whether it is to be shown as new. */
    add(message) {
        if (this.#seen.has(message.id) || this.#read.has(message.id) || message.read) {
            this.#seen.add(message.id);
            return false;
        }
        this.#keep(message);
        this.#arrived.set(message.id, ++this.#tick);
        this.count += 1;
        this.#trim();
        return true;
    }

    /**
     * Replace what is known by an unread set whose request started at `mark`.
     *
     * Returns `null` when it may show a moment before messages were read, so that another one is needed, else
     * `{fresh, read}`: messages to show as new, oldest first, each with `backlog`, and ids that were read elsewhere.
     */
    apply(unreadSet, mark) {
        if (this.pending || mark < this.#readTick) {
            return null;
        }
        const messages = [...unreadSet.messages].sort((a, b) => b.id - a.id);
        const listed = new Set(messages.map((message) => message.id));
        const pushedMeanwhile = [...this.#unread.values()].filter(
            (message) => !listed.has(message.id) && this.#arrived.get(message.id) > mark,
        );
        const complete = unreadSet.count <= messages.length && !unreadSet.more;
        const oldestListed = messages.length ? messages[messages.length - 1].id : -Infinity;
        const isGone = (id) => !listed.has(id) && !(this.#arrived.get(id) > mark) && (complete || id > oldestListed);
        const read = [...this.#unread.keys()].filter(isGone);
        const fresh = messages
            .slice(0, KEPT)
            .filter((message) => !this.#seen.has(message.id))
            .map((message) => ({ message, backlog: message.id < this.#floor }))
            .reverse();

        this.#unread.clear();
        for (const message of [...messages, ...pushedMeanwhile]) {
            this.#keep(message);
            this.#read.delete(message.id);
        }
        for (const id of read) {
            this.#read.add(id);
        }
        if (!complete) {
            this.#floor = Math.max(this.#floor, oldestListed);
        }
        this.count = unreadSet.count + pushedMeanwhile.length;
        this.more = unreadSet.more;
        this.#trim();
        return { fresh, read };
    }

    /**
     * Take note that messages were read; `count` is the server's number of unread ones, where it said so.
     *
     * Returns `{read, sure}`: ids that were unread here, and whether the count can be trusted. Where the server's number is
     * another one than ours, one of us has not heard of a message yet.
     */
    markRead(ids, count) {
        this.#readTick = ++this.#tick;
        const read = ids.filter((id) => this.#unread.delete(id));
        const unknown = ids.some((id) => !this.#seen.has(id) && !this.#read.has(id));
        for (const id of ids) {
            this.#arrived.delete(id);
            this.#read.add(id);
        }
        this.count = Math.max(this.count - read.length, this.#unread.size);
        const sure = Number.isSafeInteger(count) ? this.count === count : !unknown;
        return { read, sure: sure && !this.more };
    }

    /** Take note that everything was read; return the ids that were unread here. */
    markAllRead() {
        const { read } = this.markRead([...this.#unread.keys()]);
        this.count = 0;
        this.more = false;
        return read;
    }

    /** True while the server has not confirmed a read, so that unread sets can't be applied. */
    get pending() {
        return this.#pending.size > 0;
    }

    /**
     * Begin a read that the server has not confirmed. Returns `{read, settle, undo}`; one of the two functions is to be called.
     */
    expectRead(ids) {
        const before = { unread: new Map(this.#unread), count: this.count, more: this.more };
        const read = ids === "all" ? this.markAllRead() : this.markRead(ids).read;
        const token = Symbol("read");
        this.#pending.add(token);
        const end = () => {
            this.#pending.delete(token);
            this.#readTick = ++this.#tick;
        };
        const undo = () => {
            end();
            for (const id of read) {
                this.#keep(before.unread.get(id));
            }
            this.count = ids === "all" ? this.count + before.count : this.count + read.length;
            this.more = before.more;
            this.#trim();
        };
        return { read, settle: end, undo };
    }

    /** Forget all but the ids that were shown. */
    clear() {
        this.#unread.clear();
        this.#arrived.clear();
        this.#read.clear();
        this.#pending.clear();
        this.#floor = -Infinity;
        this.#readTick = ++this.#tick;
        this.count = 0;
        this.more = false;
    }

    #keep(message) {
        this.#unread.set(message.id, message);
        this.#seen.add(message.id);
    }

    #trim() {
        for (const message of this.messages.slice(KEPT)) {
            this.#unread.delete(message.id);
            this.#arrived.delete(message.id);
        }
        for (const id of this.#arrived.keys()) {
            if (!this.#unread.has(id)) {
                this.#arrived.delete(id);
            }
        }
    }
}
