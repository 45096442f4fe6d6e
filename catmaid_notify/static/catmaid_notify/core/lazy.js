/** Lazy loading: a part of the client that is imported on first use. */

/**
 * Return a lazy part. Calls that come before it is loaded are queued, and stay queued while it can't be loaded.
 *
 * @param {function(): Promise} load  resolves to the part
 * @param {function(Error, function): void} onFailure  gets the error and a function that tries again
 */
export function makeLazy(load, onFailure) {
    let part = null;
    let waiting = []; // functions of the part
    let isLoading = false;

    async function retry() {
        if (!isLoading && waiting.length > 0) {
            isLoading = true;
            try {
                part = await load();
                waiting.splice(0).forEach((fn) => fn(part));
            } catch (error) {
                onFailure(error, retry);
            }
            isLoading = false;
        }
    }

    return {
        /** The part, or `null` until it is loaded. */
        get part() {
            return part;
        },

        get isLoading() {
            return isLoading;
        },

        /** Whether loading has failed, and calls are queued. */
        get hasFailed() {
            return waiting.length > 0 && !isLoading;
        },

        /** Call `fn(part)`, at once or after loading, in the order of calls. Unless `isNeeded`, the call doesn't start loading. */
        use(fn, isNeeded = true) {
            if (part) {
                fn(part);
            } else if (isNeeded || waiting.length > 0) {
                waiting.push(fn);
                retry();
            }
        },

        /** Drop the part and the queued calls. */
        forget() {
            part = null;
            waiting = [];
        },
    };
}
