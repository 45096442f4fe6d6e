/**
 * Return a part of the client that is loaded when it is first needed. `load()` resolves to it; if it can't be loaded,
 * `failed(error, retry)` hears of it, and what was to be done with it waits.
 */
export function makeOnDemand(load, failed) {
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
                failed(error, retry);
            }
            isLoading = false;
        }
    }

    return {
        /** The part, if it is there. */
        get part() {
            return part;
        },

        get isLoading() {
            return isLoading;
        },

        /** Whether it could not be loaded, and is to be tried again. */
        get hasFailed() {
            return waiting.length > 0 && !isLoading;
        },

        /** Call `fn(part)`, at once or when it is loaded, in the order of the calls; unless `isNeeded`, don't load it for that. */
        use(fn, isNeeded = true) {
            if (part) {
                fn(part);
            } else if (isNeeded || waiting.length > 0) {
                waiting.push(fn);
                retry();
            }
        },

        /** Drop the part, and what was to be done with it. */
        forget() {
            part = null;
            waiting = [];
        },
    };
}
