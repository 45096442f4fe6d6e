/** Browser client of catmaid_notify. Names of durations in milliseconds end in `Ms`. */

/** State of the connection. `follower` is `live` over the socket of another tab. */
export type State = "stopped" | "connecting" | "live" | "follower" | "waiting" | "polling" | "suspended" | "signedout";
export type Level = "info" | "success" | "warning" | "error";

export interface Message {
    readonly id: number;
    /** ISO 8601, UTC. */
    readonly time: string;
    readonly title: string;
    readonly text: string;
    /** Link target, or an empty string. It comes from the server unchecked: check its scheme before you put it into a link. */
    readonly action: string;
    readonly level: Level;
    readonly read: boolean;
}

export interface Task {
    readonly id: string;
    readonly title: string;
    readonly state: "running" | "success" | "failure";
    readonly done: number;
    /** 0: not known yet. */
    readonly total: number;
    readonly text: string;
    /** ISO 8601, UTC. */
    readonly updated: string;
}

export interface Unread {
    /** Number of all unread messages, exact up to 1,000. */
    readonly count: number;
    /** True if there are more than `count`. */
    readonly more: boolean;
    /** The newest unread messages, 100 at most, newest first. */
    readonly messages: readonly Message[];
}

export interface SiteEvent {
    readonly event: string;
    readonly payload: unknown;
    /** `null` for an event to this user. */
    readonly topic: string | null;
    /** Id of the sending tab if the page has passed it on, `notifier.id` for changes of this tab; else `null`. */
    readonly sender: string | null;
}

export interface EventDetails {
    state: { state: State; previous: State; code: number | null };
    /** Comes once per message. `backlog`: older than the page, or behind a hundred newer ones. */
    message: { message: Message; backlog: boolean; via: "push" | "sync" };
    /** Messages that were unread on this page, and were read here or elsewhere. */
    read: { all: boolean; ids: readonly number[] };
    unread: Unread;
    /** A new state of one task. The last one (`success` or `failure`) comes by push only. */
    progress: Task;
    /** The running tasks, after each change. */
    tasks: readonly Task[];
    /** An event of the site itself. */
    event: SiteEvent;
    /** Another user is signed in, and the state of the previous one is dropped. `user` is empty while unknown. */
    user: { user: string; previous: string };
    /** A request for the unread set has ended. */
    sync: { ok: boolean };
    error: { kind: "sync" | "read" | "socket" | "topic" | "module"; error: Error; status: number | null; code: number | null };
}

export interface NotifierOptions {
    /** URL of the unread set. */
    unreadUrl: string;
    /** URL that marks messages as read. */
    readUrl: string;
    /** URL of the WebSocket: a path, `http(s)` or `ws(s)`, resolved against the page. */
    updatesUrl: string;
    /** URL of the pages of the whole inbox. */
    messagesUrl?: string;
    /** URL of the last values of topics; without it, they come over the socket only. */
    topicsUrl?: string;
    /** Primary key, as text, of the user that the page was rendered for. */
    user?: string;
    /** Name of Django's CSRF cookie, "csrftoken" by default. */
    csrfCookie?: string;
    /** The CSRF token, for sites whose cookie scripts can't read. */
    csrfToken?: string;
    /** Intervals that apply until the server announces its own. */
    intervals?: Partial<Intervals>;
    /** Replacements for the browser's globals, for tests. */
    adapters?: Partial<Adapters>;
}

export interface Intervals {
    /** Interval of polls without a socket; 60,000. */
    pollMs: number;
    /** Interval of polls with one, as a safeguard; 600,000. */
    syncMs: number;
    /** Interval of the server's pings; 25,000. */
    pingMs: number;
}

export interface Adapters {
    WebSocket: typeof WebSocket | undefined;
    BroadcastChannel: typeof BroadcastChannel | undefined;
    /** Web Locks. Without them every tab opens its own socket. */
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
    /** Loads the module of tasks, with the first task. */
    importTasks: () => Promise<unknown>;
    /** Loads the module of topics, with the first subscription of this tab or of another one that shares its socket. */
    importTopics: () => Promise<unknown>;
}

export interface Notifier extends EventTarget {
    readonly state: State;
    /** Current transport; "websocket" in followers, too. */
    readonly transport: "websocket" | "polling" | "none";
    /** Close code of the latest socket, if it explains the state. */
    readonly closeCode: number | null;
    readonly user: string;
    /** Id of this tab, for the `sender` of changes that the page saves. */
    readonly id: string;
    /** URL of the pages of the whole inbox. */
    readonly messagesUrl: string;
    readonly unread: Unread;
    readonly tasks: readonly Task[];
    start(): void;
    /** Stop, and leave no socket, timer, listener or request. `start()` starts again. */
    stop(): void;
    /** Fetch the unread set now, or when the server's `Retry-After` allows it. Resolves to whether that succeeded. */
    sync(): Promise<boolean>;
    /** Mark messages as read. Resolves to whether that succeeded; an `error` event tells of a failure. */
    markRead(what: number | readonly number[] | { all: true }): Promise<boolean>;
    /** Subscribe to a topic; returns a function that unsubscribes. The first call loads a module, again and again if that fails. */
    subscribe(topic: string, fn: (event: SiteEvent) => void): () => void;
    /** Publish to a topic, at most once. Returns whether a socket took the frame. */
    publish(topic: string, event: string, payload?: unknown): boolean;
    /** Add a listener; returns a function that removes it. An exception is reported, and the other listeners still run. */
    on<T extends keyof EventDetails>(
        type: T,
        fn: (detail: EventDetails[T]) => void,
        options?: { signal?: AbortSignal },
    ): () => void;
}

export function createNotifier(options: NotifierOptions): Notifier;

declare global {
    interface Window {
        /** The notifier of `{% catmaid_notify %}`. */
        catmaidNotify?: Notifier;
    }
    interface DocumentEventMap {
        "catmaid-notify:ready": CustomEvent<{ notifier: Notifier }>;
    }
}
