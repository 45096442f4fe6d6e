/** The newest unread messages that are kept, and shown as new at once; of the others only the number is known. */
export const KEPT = 100;

/**
 * Return what one user has not read, as far as this page knows: fed by pushes and by unread sets, in whatever order they come.
 *
 * An unread set is a picture of the moment when its request ran. `sync.started` is the number of requests so far, so that what
 * happened since the latest one began is not undone by its older picture. `seen` are the ids that were shown.
 */
export function makeMailbox(sync, seen) {
    const unread = new Map(); // id → {message, at}; `at`: requests before its push, -1 without one
    const read = new Set();
    let readAt = 0; // requests before the latest change from unread to read
    let floor = Infinity; // smaller ids were waiting already: all at first, then those behind KEPT others
    let count = 0;
    let more = false; // there are more than `count`

    const list = () => newestFirst([...unread.values()].map(({ message }) => message));

    function keep(messages, at) {
        for (const message of messages) {
            unread.set(message.id, { message, at });
            seen.add(message.id);
        }
        for (const { id } of list().slice(KEPT)) {
            unread.delete(id);
        }
    }

    return {
        /** `{count, more, messages}`: the newest unread messages, newest first, and how many there are in all. */
        get unread() {
            return { count, more, messages: list() };
        },

        /** Take a pushed message in; return whether it is to be shown as new. */
        add(message) {
            const { id } = message;
            if (seen.has(id) || read.has(id) || message.read) {
                seen.add(id);
                return false;
            }
            keep([message], sync.started);
            count += 1;
            return true;
        },

        /**
         * Replace what is known by the unread set that the latest request has brought.
         *
         * Returns `null` when it may show a moment before messages were read, so that another one is needed, else
         * `{fresh, gone}`: messages to show as new, oldest first, each with `backlog`, and ids that were read elsewhere.
         */
        apply(unreadSet) {
            const { started } = sync;
            if (started <= readAt) {
                return null;
            }
            const messages = newestFirst(unreadSet.messages);
            const listed = new Set(messages.map(({ id }) => id));
            const unlisted = list().filter(({ id }) => !listed.has(id));
            const isPushedMeanwhile = ({ id }) => unread.get(id).at >= started;
            const pushedMeanwhile = unlisted.filter(isPushedMeanwhile);
            const isComplete = unreadSet.count <= messages.length && !unreadSet.more;
            const oldest = messages.at(-1)?.id ?? -Infinity;
            const gone = unlisted
                .filter((message) => !isPushedMeanwhile(message) && (isComplete || message.id > oldest))
                .map(({ id }) => id);
            const fresh = messages
                .slice(0, KEPT)
                .filter(({ id }) => !seen.has(id))
                .map((message) => ({ message, backlog: message.id < floor }))
                .reverse();

            gone.forEach((id) => read.add(id));
            listed.forEach((id) => read.delete(id));
            floor = Math.max(floor === Infinity ? -Infinity : floor, isComplete ? -Infinity : oldest);
            unread.clear();
            keep(messages, -1);
            keep(pushedMeanwhile, started);
            count = unreadSet.count + pushedMeanwhile.length;
            more = unreadSet.more;
            return { fresh, gone };
        },

        /**
         * Take note that these messages were read, or, without ids, all of them.
         *
         * Returns `{gone, isSure}`: ids that were unread here, and whether the count is right.
         */
        markRead(ids) {
            const isSure = !more && ids?.every((id) => unread.has(id) || read.has(id));
            const gone = (ids ?? [...unread.keys()]).filter((id) => unread.delete(id));
            readAt = sync.started;
            (ids ?? gone).forEach((id) => read.add(id));
            count = ids ? Math.max(count - gone.length, unread.size) : 0;
            more &&= Boolean(ids);
            return { gone, isSure };
        },
    };
}

const newestFirst = (messages) => [...messages].sort((a, b) => b.id - a.id);
