/** Browser client of catmaid_notify. Times are in milliseconds where a name ends in `Ms`. */

/** `follower` is `live` over the socket of another tab. */
export type State = "stopped" | "connecting" | "live" | "follower" | "waiting" | "polling" | "suspended" | "signedout";
export type Level = "info" | "success" | "warning" | "error";

export interface Message {
    readonly id: number;
    /** ISO 8601, UTC. */
    readonly time: string;
    readonly title: string;
    readonly text: string;
    /** Where the message leads to; empty for nowhere. Check it before you make it a link: it is what the server has stored. */
    readonly action: string;
    readonly level: Level;
    readonly read: boolean;
}

export interface Task {
    readonly id: string;
    readonly title: string;
    readonly state: "running" | "success" | "failure";
    readonly done: number;
    /** 0 while unknown. */
    readonly total: number;
    readonly text: string;
    /** ISO 8601, UTC. */
    readonly updated: string;
}

export interface Unread {
    /** Number of all unread messages, exact up to 1,000. */
    readonly count: number;
    /** True when there are more than `count`. */
    readonly more: boolean;
    /** The newest of them, at most 100, newest first. */
    readonly messages: readonly Message[];
}

export interface SiteEvent {
    readonly event: string;
    readonly payload: unknown;
    /** `null` for an event to this user. */
    readonly topic: string | null;
    /** Id with which the change was sent, `notifier.id` for this tab's own; else `null`. */
    readonly sender: string | null;
}

export interface EventDetails {
    state: { state: State; previous: State; code: number | null };
    /** Once per message. `backlog`: it was waiting when the page was loaded, or behind a hundred newer ones. */
    message: { message: Message; backlog: boolean; via: "push" | "sync" };
    /** Messages that were unread on this page and no longer are, whoever has read them. */
    read: { all: boolean; ids: readonly number[] };
    unread: Unread;
    /** One new state of a task, the last one (`success` or `failure`) too if it was pushed. */
    progress: Task;
    /** The tasks that are running, after each change. */
    tasks: readonly Task[];
    /** Events of the site's own. */
    event: SiteEvent;
    /** Somebody else is signed in now; everything of the former user was dropped. Empty text: not known yet. */
    user: { user: string; previous: string };
    /** The inbox was asked. */
    sync: { ok: boolean };
    error: { kind: "sync" | "read" | "socket" | "topic" | "module"; error: Error; status: number | null; code: number | null };
}

export interface NotifierOptions {
    /** Where the unread set is. */
    unreadUrl: string;
    /** Where messages are marked as read. */
    readUrl: string;
    /** The WebSocket: a path, an `http(s)` or a `ws(s)` URL, resolved against the page. */
    updatesUrl: string;
    /** Where the pages of the whole inbox are. */
    messagesUrl?: string;
    /** Where the last values of topics are; without it, they come over the socket only. */
    topicsUrl?: string;
    /** Primary key of the user that the page was rendered for, as text. */
    user?: string;
    /** Name of Django's CSRF cookie, "csrftoken" by default. */
    csrfCookie?: string;
    /** The CSRF token where scripts can't read that cookie. */
    csrfToken?: string;
    /** How often to poll, say, until the server has said so. */
    intervals?: Partial<Intervals>;
    /** Replaces some of what the client takes from the browser; for tests. */
    adapters?: Partial<Adapters>;
}

export interface Intervals {
    /** How often the inbox is asked where there is no socket; 60,000. */
    pollMs: number;
    /** How often it is asked all the same; 600,000. */
    syncMs: number;
    /** How often the server pings; 25,000. */
    pingMs: number;
}

export interface Adapters {
    WebSocket: typeof WebSocket | undefined;
    BroadcastChannel: typeof BroadcastChannel | undefined;
    /** Without them every tab has a socket of its own. */
    locks: LockManager | undefined;
    fetch: (url: string, init?: RequestInit) => Promise<Response>;
    setTimeout: (fn: () => void, delayMs: number) => unknown;
    clearTimeout: (handle: unknown) => void;
    /** Monotonic, in milliseconds. */
    now: () => number;
    /** Milliseconds since 1970. */
    wallNow: () => number;
    random: () => number;
    document: Document | undefined;
    window: Window | undefined;
    logger: { debug: (...args: unknown[]) => void } | null;
    reportError: (error: unknown) => void;
    /** Loads what tasks need, when there is the first one. */
    importTasks: () => Promise<unknown>;
    /** Loads what topics need, when the first one is followed, here or by another tab over this one's socket. */
    importTopics: () => Promise<unknown>;
}

export interface Notifier extends EventTarget {
    readonly state: State;
    /** How messages come in at present; "websocket" also where another tab has it. */
    readonly transport: "websocket" | "polling" | "none";
    /** The code with which the server closed the latest socket, where that explains the state. */
    readonly closeCode: number | null;
    readonly user: string;
    /** What this tab's own changes have as `sender`, where the page hands it on. */
    readonly id: string;
    /** Where the pages of the whole inbox are. */
    readonly messagesUrl: string;
    readonly unread: Unread;
    readonly tasks: readonly Task[];
    start(): void;
    /** Ends everything: no socket, timer, listener or request is left. `start()` begins again. */
    stop(): void;
    /** Ask the inbox now; resolves to whether it answered. Waits as long as the server asked us to. */
    sync(): Promise<boolean>;
    /** Resolves to whether the server took it; where it didn't, there is an `error` event. */
    markRead(what: number | readonly number[] | { all: true }): Promise<boolean>;
    /** Follow a topic; returns a function that ends it. The first one waits for a module, which is tried again where it fails. */
    subscribe(topic: string, fn: (event: SiteEvent) => void): () => void;
    /** At most once; returns whether there was a socket to send it on. */
    publish(topic: string, event: string, payload?: unknown): boolean;
    /** Returns a function that ends it. A listener that throws is reported and stops nobody else. */
    on<T extends keyof EventDetails>(
        type: T,
        fn: (detail: EventDetails[T]) => void,
        options?: { signal?: AbortSignal },
    ): () => void;
}

export function createNotifier(options: NotifierOptions): Notifier;

declare global {
    interface Window {
        /** The notifier that `{% catmaid_notify %}` has started. */
        catmaidNotify?: Notifier;
    }
    interface DocumentEventMap {
        "catmaid-notify:ready": CustomEvent<{ notifier: Notifier }>;
    }
}
