/**
 * A server in memory. In order of how often it is needed:
 *
 * - `server.greets = false`, `server.refuses = true`: what happens to the sockets that are opened from now on;
 * - `server.socket`: the latest one, with `hello()`, `push(frame)` and `drop(code)`;
 * - `server.inbox`: the unread set that requests get, `server.notify(message)` adds to it;
 * - `server.answer = (request) => response`: takes over all requests; return `null` for the usual answer, a promise to be slow.
 */
export class FakeServer {
    greets = true;
    refuses = false;
    hello = {};
    inbox = { user: "7", count: 0, more: false, messages: [], tasks: [] };
    answer = () => null;
    /** All sockets and requests so far. */
    sockets = [];
    requests = [];
    #clock;

    constructor(clock) {
        this.#clock = clock;
        const server = this;
        this.WebSocket = class extends FakeSocket {
            constructor(url, protocols) {
                super(url, protocols);
                server.sockets.push(this);
                server.#accept(this);
            }
        };
        this.fetch = (url, init = {}) => this.#request(url, init);
    }

    get socket() {
        return this.sockets[this.sockets.length - 1];
    }

    get openSockets() {
        return this.sockets.filter((socket) => socket.readyState < 2);
    }

    get openRequests() {
        return this.requests.filter((request) => request.isOpen);
    }

    /** Requests for the unread set. */
    get syncs() {
        return this.requests.filter((request) => request.method === "GET");
    }

    get reads() {
        return this.requests.filter((request) => request.method === "POST");
    }

    /** Store a message, and push it unless told otherwise. */
    notify(fields, { push = true } = {}) {
        const message = { ...emptyMessage, title: `Message ${fields.id}`, ...fields };
        this.inbox.messages = [message, ...this.inbox.messages].slice(0, 100);
        this.inbox.count += 1;
        if (push) {
            this.pushMessage(message);
        }
        return message;
    }

    pushMessage(fields) {
        const message = { ...emptyMessage, ...fields };
        const payload = { message_id: message.id, message_title: message.title, message };
        this.socket.push({ event: "new-message", id: message.id, payload });
    }

    markRead(...ids) {
        this.inbox.messages = this.inbox.messages.filter((message) => !ids.includes(message.id));
        this.inbox.count = this.inbox.messages.length;
    }

    #accept(socket) {
        this.#clock.setTimeout(() => {
            if (this.refuses) {
                socket.drop(1006);
            } else if (this.greets) {
                socket.greet({ user: this.inbox.user, ...this.hello });
            }
        }, 0);
    }

    async #request(url, init) {
        const request = {
            url,
            method: init.method ?? "GET",
            headers: init.headers ?? {},
            body: init.body ? JSON.parse(init.body) : null,
            atMs: this.#clock.now(),
            isOpen: true,
            init,
        };
        this.requests.push(request);
        try {
            return await Promise.race([this.#respond(request), aborted(init.signal)]);
        } finally {
            request.isOpen = false;
        }
    }

    async #respond(request) {
        const own = await this.answer(request);
        if (own) {
            return own;
        }
        if (request.method === "POST") {
            this.markRead(...(request.body.all ? this.inbox.messages.map(({ id }) => id) : request.body.ids));
            return json({ user: this.inbox.user, read: request.body.ids ?? "all", count: this.inbox.count });
        }
        const text = JSON.stringify(this.inbox);
        const etag = `"${text.length}-${[...text].reduce((sum, char) => (sum * 31 + char.charCodeAt(0)) % 1e9, 7)}"`;
        return request.headers["If-None-Match"] === etag ? status(304) : json(this.inbox, { ETag: etag });
    }
}

class FakeSocket {
    readyState = 0;
    sent = [];
    onmessage = null;
    onclose = null;
    onerror = null;

    constructor(url, protocols) {
        this.url = url;
        this.protocols = protocols;
    }

    send(data) {
        this.sent.push(JSON.parse(data));
    }

    close(code) {
        this.closedWith = code;
        this.readyState = 3;
    }

    // What the server does

    greet(payload) {
        if (this.readyState < 2) {
            this.readyState = 1;
            this.push({ event: "hello", payload });
        }
    }

    push(frame) {
        this.onmessage?.({ data: typeof frame === "string" ? frame : JSON.stringify(frame) });
    }

    drop(code) {
        if (this.readyState < 2) {
            this.readyState = 3;
            this.onerror?.({});
            this.onclose?.({ code });
        }
    }

    /** The events of this kind that the page has sent. */
    got(event) {
        return this.sent.filter((frame) => frame.event === event);
    }
}

const emptyMessage = { time: "2026-11-21T03:42:00Z", title: "", text: "", action: "", level: "info", read: false };

export const json = (value, headers = {}) => new Response(JSON.stringify(value), { headers });
export const status = (code, headers = {}) => new Response(null, { status: code, headers });
export const never = () => new Promise(() => {});

function aborted(signal) {
    return new Promise((_, reject) => {
        signal?.addEventListener("abort", () => reject(signal.reason));
    });
}
