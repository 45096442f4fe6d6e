import { HELLO_TIMEOUT_MS, PROBE_ANSWER_MS, SILENCE_GRACE_MS } from "./backoff.js";
import { HELLO, PING, PONG, SUBPROTOCOL } from "./protocol.js";
import { Timer } from "./timer.js";

/**
 * One attempt at one socket: opens it, waits for `hello`, watches over its health, and ends once, with one call of `onDown`.
 *
 * `error` events mean nothing here: one also comes when a page returns from the back/forward cache. Only `close`, a missed
 * deadline or `close()` end a connection, and an ended one never calls back again.
 */
export class Connection {
    #adapters;
    #url;
    #intervals;
    #on;
    #socket = null;
    #ended = false;
    #probing = false;
    #nonce = 0;
    #deadline;

    /** True from `hello` on. */
    up = false;

    /** `on` has `hello(payload)`, `frame(frame)` and `down(code)`; the code is `null` for a missed deadline. */
    constructor({ adapters, url, intervals, on }) {
        this.#adapters = adapters;
        this.#url = url;
        this.#intervals = intervals;
        this.#on = on;
        this.#deadline = new Timer(adapters, () => this.#late());
    }

    open() {
        this.#deadline.start(HELLO_TIMEOUT_MS);
        try {
            this.#socket = new this.#adapters.WebSocket(this.#url, [SUBPROTOCOL]);
        } catch {
            // A bad URL or a page that may not connect. Later, so that nobody is called back while still calling.
            this.#deadline.start(0);
            return;
        }
        this.#socket.onmessage = (event) => this.#receive(event.data);
        this.#socket.onclose = (event) => this.#end(event.code);
    }

    /** Send a frame and return true, or return false where there is no working socket. */
    send(frame) {
        if (!this.up || this.#socket.readyState !== 1) {
            return false;
        }
        this.#socket.send(JSON.stringify(frame));
        return true;
    }

    /** Ask the server for a sign of life; without one the connection ends. Any frame will do. */
    probe() {
        if (this.up && !this.#probing) {
            this.#probing = true;
            this.#deadline.start(PROBE_ANSWER_MS);
            this.#nonce += 1;
            this.send({ event: PING, payload: { nonce: `c${this.#nonce}` } });
        }
    }

    /** End the connection without calling back. */
    close() {
        this.#release();
    }

    #receive(data) {
        let frame;
        try {
            frame = JSON.parse(data);
        } catch {
            return; // not ours: a proxy, or a consumer of the site's own
        }
        if (this.#ended || typeof frame?.event !== "string") {
            return;
        }
        const isHello = frame.event === HELLO && !this.up;
        if (isHello) {
            this.up = true;
        }
        if (this.up) {
            this.#heard();
        }
        if (frame.event === PING) {
            this.send({ event: PONG, payload: { nonce: frame.payload?.nonce } });
        } else if (isHello) {
            this.#on.hello(frame.payload ?? {});
            this.#heard(); // with the intervals that hello has brought
        } else if (this.up && frame.event !== PONG && frame.event !== HELLO) {
            this.#on.frame(frame);
        }
    }

    #heard() {
        if (!this.#ended) {
            this.#probing = false;
            this.#deadline.start(this.#intervals.pingMs + SILENCE_GRACE_MS);
        }
    }

    #late() {
        if (this.up && !this.#probing) {
            this.probe();
        } else {
            this.#end(null);
        }
    }

    #end(code) {
        if (!this.#ended) {
            this.#release();
            this.#on.down(code);
        }
    }

    #release() {
        this.#ended = true;
        this.up = false;
        this.#deadline.stop();
        if (this.#socket) {
            this.#socket.onmessage = null;
            this.#socket.onclose = null;
            if (this.#socket.readyState < 2) {
                this.#socket.close(1000);
            }
            this.#socket = null;
        }
    }
}
