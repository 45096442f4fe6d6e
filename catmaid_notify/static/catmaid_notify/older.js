const TIMEOUT_MS = 15_000;

/** The inbox behind the newest unread messages, page by page: the older unread ones, then those that were read. */
export class Older {
    #notifier;
    #toMessage;
    #before;
    #read;

    /** True when there is no further page. */
    ended = false;

    constructor(notifier, toMessage) {
        const { count, messages } = notifier.unread;
        this.#notifier = notifier;
        this.#toMessage = toMessage;
        this.#read = Number(count <= messages.length);
        this.#before = this.#read ? null : messages.at(-1)?.id;
    }

    /** Return the messages of the next page. */
    async next() {
        const query = `?read=${this.#read}${this.#before ? `&before=${this.#before}` : ""}`;
        const signal = AbortSignal.timeout(TIMEOUT_MS);
        const response = await fetch(this.#notifier.messagesUrl + query, { signal });
        const page = await response.json();
        if (!response.ok || page.user !== this.#notifier.user) {
            throw new Error(`The inbox of user ${this.#notifier.user} can't be read: status ${response.status}.`);
        }
        this.#before = page.next;
        this.ended = page.next === null && this.#read === 1;
        this.#read ||= Number(page.next === null);
        return page.messages.map(this.#toMessage);
    }
}
