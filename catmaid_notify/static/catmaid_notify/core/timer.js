/** Restartable one-shot timer. */

/** Return a timer that calls `fn` once per `start(delayMs)`; another start replaces the pending one. */
export function makeTimer({ setTimeout, clearTimeout }, fn) {
    let handle = null;
    const timer = {
        start(delayMs) {
            timer.stop();
            handle = setTimeout(() => {
                handle = null;
                fn();
            }, delayMs);
        },
        stop() {
            clearTimeout(handle);
            handle = null;
        },
        get armed() {
            return handle !== null;
        },
    };
    return timer;
}
