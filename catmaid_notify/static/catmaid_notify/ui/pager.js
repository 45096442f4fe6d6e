/** Pager of the inbox. */

const TIMEOUT_MS = 15_000;

/** Pages of the inbox after the newest unread messages: first older unread messages, then read ones. */
export class InboxPager {
    #notifier;
    #parseMessage;
    #before;
    #read;

    /** Whether the last page was returned. */
    ended = false;

    /**
     * @param {object} notifier
     * @param {function(object): object} parseMessage  of `validate.js`
     */
    constructor(notifier, parseMessage) {
        const { count, messages } = notifier.unread;
        this.#notifier = notifier;
        this.#parseMessage = parseMessage;
        this.#read = Number(count <= messages.length);
        this.#before = this.#read ? null : messages.at(-1)?.id;
    }

    /** Fetch the next page. Returns its messages. */
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
        return page.messages.map(this.#parseMessage);
    }
}
