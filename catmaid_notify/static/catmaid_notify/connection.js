import { HELLO_TIMEOUT_MS, PROBE_ANSWER_MS, SILENCE_GRACE_MS } from "./backoff.js";
import { HELLO, PING, PONG, SUBPROTOCOL } from "./protocol.js";
import { makeTimer } from "./timer.js";

/**
 * Open one socket: wait for its `hello`, watch over its health, and end once, with one call of `on.down`. `on` has
 * `hello(payload)`, `frame(frame)` and `down(code)`; the code is `undefined` for a missed deadline.
 *
 * `error` events mean nothing here: one also comes when a page returns from the back/forward cache. Only `close`, a missed
 * deadline or `close()` end a connection, and an ended one never calls back again.
 */
export function connect({ adapters, url, intervals, on }) {
    const { WebSocket } = adapters;
    const deadline = makeTimer(adapters, late);
    let socket;
    let isUp = false; // from hello on
    let isProbing = false;
    let hasEnded = false;

    function receive({ data }) {
        let frame;
        try {
            frame = JSON.parse(data);
        } catch {
            return; // not ours: a proxy, or a consumer of the site's own
        }
        const { event, payload } = frame ?? {};
        if (hasEnded || typeof event !== "string") {
            return;
        }
        const isHello = event === HELLO && !isUp;
        if (isHello) {
            isUp = true;
            on.hello(payload ?? {});
        }
        heard(); // with the intervals that hello may have brought
        if (event === PING) {
            send({ event: PONG, payload });
        } else if (isUp && event !== PONG && event !== HELLO) {
            on.frame(frame);
        }
    }

    function heard() {
        if (isUp) {
            isProbing = false;
            deadline.start(intervals.pingMs + SILENCE_GRACE_MS);
        }
    }

    function late() {
        if (isUp && !isProbing) {
            probe();
        } else {
            end();
        }
    }

    /** Ask the server for a sign of life; without one the connection ends. Any frame will do. */
    function probe() {
        if (isUp && !isProbing) {
            isProbing = true;
            deadline.start(PROBE_ANSWER_MS);
            send({ event: PING });
        }
    }

    /** Send a frame and return true, or return false where there is no working socket. */
    function send(frame) {
        const isOpen = isUp && socket.readyState === 1;
        if (isOpen) {
            socket.send(JSON.stringify(frame));
        }
        return isOpen;
    }

    function end(event) {
        if (!hasEnded) {
            close();
            on.down(event?.code);
        }
    }

    /** End the connection without calling back. */
    function close() {
        hasEnded = true;
        isUp = false;
        deadline.stop();
        socket?.close(1000);
    }

    deadline.start(HELLO_TIMEOUT_MS);
    try {
        socket = new WebSocket(url, [SUBPROTOCOL]);
        socket.onmessage = receive;
        socket.onclose = end;
    } catch {
        deadline.start(0); // a bad URL, or a page that may not connect; nobody is called back while still calling
    }
    return { send, probe, close };
}
