/** At most one announcement in this time, so that a burst of messages doesn't talk for minutes. */
const QUIET_MS = 2_000;

/** Tells screen readers of new messages: the title of one, the number of several. `say` puts text into the live region. */
export class Announcer {
    #adapters;
    #say;
    #describe;
    #titles = [];
    #timer = null;

    constructor({ adapters, say, describe }) {
        this.#adapters = adapters;
        this.#say = say;
        this.#describe = describe;
    }

    add(title) {
        this.#titles.push(title);
        // Messages of one sync come in the same moment: they are one announcement.
        this.#timer ??= this.#adapters.setTimeout(() => this.#flush(), 0);
    }

    stop() {
        this.#adapters.clearTimeout(this.#timer);
        this.#timer = null;
        this.#titles = [];
    }

    #flush() {
        if (this.#titles.length === 0) {
            this.#timer = null;
            this.#say(""); // so that the same words are a change the next time
            return;
        }
        this.#say(this.#describe(this.#titles));
        this.#titles = [];
        this.#timer = this.#adapters.setTimeout(() => this.#flush(), QUIET_MS);
    }
}
