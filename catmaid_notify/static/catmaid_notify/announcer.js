import { makeTimer } from "./timer.js";

/** At most one announcement in this time, so that a burst of messages doesn't talk for minutes. */
const QUIET_MS = 2_000;

/** Tells screen readers of new messages: the title of one, the number of several. `say` puts text into the live region. */
export class Announcer {
    #say;
    #describe;
    #titles = [];
    #timer;

    constructor({ adapters, say, describe }) {
        this.#say = say;
        this.#describe = describe;
        this.#timer = makeTimer(adapters, () => this.#flush());
    }

    add(title) {
        this.#titles.push(title);
        if (!this.#timer.armed) {
            this.#timer.start(0); // messages of one sync come in the same moment: they are one announcement
        }
    }

    stop() {
        this.#timer.stop();
        this.#titles = [];
    }

    #flush() {
        if (!this.#titles.length) {
            this.#say(""); // so that the same words are a change the next time
            return;
        }
        this.#say(this.#describe(this.#titles));
        this.#titles = [];
        this.#timer.start(QUIET_MS);
    }
}
