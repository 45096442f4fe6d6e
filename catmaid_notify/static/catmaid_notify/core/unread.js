/** Unread messages of one user, merged from pushes and unread sets in any order. */

export const KEPT = 100; // newest unread messages in memory; older ones are only counted

/**
 * Return an empty store of unread messages.
 *
 * An unread set is a snapshot, taken some time after its request started. `sync.started`, the number of requests so far, dates
 * each change: changes since the latest request win over its snapshot.
 *
 * @param {{started: number}} sync
 * @param {Set<number>} seen  ids of shown messages; the store adds to it
 */
export function makeUnreadStore(sync, seen) {
    const unread = new Map(); // id → {message, at}; `at`: `sync.started` at its push, -1 without a push
    const read = new Set();
    let readAt = 0; // `sync.started` at the latest change from unread to read
    let floor = Infinity; // messages below this id are backlog: all at first, then those behind KEPT newer ones
    let count = 0;
    let more = false; // more than `count` are unread

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
        /** `{count, more, messages}`: the number of unread messages, and the newest ones, newest first. */
        get unread() {
            return { count, more, messages: list() };
        },

        /** Add a pushed message. Returns whether it is new. */
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
         * Replace the contents by the unread set of the latest request.
         *
         * Returns `null` if messages were read since that request started: the snapshot may be outdated, and another request is
         * needed. Else returns `{fresh, gone}`: new messages, oldest first, each with `backlog`, and ids that were read elsewhere.
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
         * Mark these messages as read, or all of them without `ids`.
         *
         * Returns `{gone, isSure}`: the ids that were unread here, and whether `count` is still exact.
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
