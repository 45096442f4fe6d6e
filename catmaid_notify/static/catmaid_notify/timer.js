/** Return one slot for one pending call: starting it again replaces what was pending. */
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
