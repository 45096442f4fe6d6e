/** Screen reader announcements of new messages. */

import { makeTimer } from "../core/timer.js";

const QUIET_MS = 2_000; // minimum time between two announcements, so that a burst of messages isn't read out for minutes

/** Rate-limited announcements: the title of one message, or the number of several. */
export class Announcer {
    #say;
    #describe;
    #titles = [];
    #timer;

    /**
     * @param {object} options
     * @param {function(string): void} options.say  puts a text into the live region
     * @param {function(string[]): string} options.describe  returns the text for these titles
     */
    constructor({ adapters, say, describe }) {
        this.#say = say;
        this.#describe = describe;
        this.#timer = makeTimer(adapters, () => this.#flush());
    }

    add(title) {
        this.#titles.push(title);
        if (!this.#timer.armed) {
            this.#timer.start(0); // groups the messages of one sync into one announcement
        }
    }

    stop() {
        this.#timer.stop();
        this.#titles = [];
    }

    #flush() {
        if (!this.#titles.length) {
            this.#say(""); // screen readers announce changes only, and the next text may be the same
            return;
        }
        this.#say(this.#describe(this.#titles));
        this.#titles = [];
        this.#timer.start(QUIET_MS);
    }
}
