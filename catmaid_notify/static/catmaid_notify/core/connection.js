import { HELLO, PING, PONG, SUBPROTOCOL } from "../protocol.js";
/** One WebSocket connection with handshake and liveness check. */

import { HELLO_TIMEOUT_MS, PROBE_ANSWER_MS, SILENCE_GRACE_MS } from "./backoff.js";
import { makeTimer } from "./timer.js";

/**
 * Open a socket, and return its connection.
 *
 * A `close` event, a missed deadline or `close()` ends the connection. An ended one never calls back. Events of type `error`
 * are ignored: they also come when a page returns from the back/forward cache.
 *
 * @param {object} options
 * @param {object} options.on  callbacks: `hello(payload)`, `frame(frame)`, and once `down(code)`, whose code is `undefined` after a
 *     missed deadline
 */
export function connect({ adapters, url, intervals, on }) {
    const { WebSocket } = adapters;
    const deadline = makeTimer(adapters, onDeadline);
    let socket;
    let isUp = false; // true once hello was received
    let isProbing = false;
    let hasEnded = false;

    function receive({ data }) {
        let frame;
        try {
            frame = JSON.parse(data);
        } catch {
            return; // not our protocol: from a proxy, or another consumer of the site
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
        extendDeadline(); // after on.hello(), which may have changed the intervals
        if (event === PING) {
            send({ event: PONG, payload });
        } else if (isUp && event !== PONG && event !== HELLO) {
            on.frame(frame);
        }
    }

    function extendDeadline() {
        if (isUp) {
            isProbing = false;
            deadline.start(intervals.pingMs + SILENCE_GRACE_MS);
        }
    }

    function onDeadline() {
        if (isUp && !isProbing) {
            probe();
        } else {
            end();
        }
    }

    /** Ping the server, and end the connection unless any frame comes in time. */
    function probe() {
        if (isUp && !isProbing) {
            isProbing = true;
            deadline.start(PROBE_ANSWER_MS);
            send({ event: PING });
        }
    }

    /** Send a frame if the socket is open. Returns whether it was sent. */
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
        deadline.start(0); // bad URL, or forbidden by a policy; the timer keeps on.down() out of this call
    }
    return { send, probe, close };
}
