/** Adapter for CATMAID's front end. */

/**
 * Deliver messages and events to CATMAID's own message handlers, and switch its socket and poller off.
 *
 * @param {object} notifier  from `createNotifier`
 * @param {object} catmaid  the global `CATMAID` object
 */
export function feedCatmaid(notifier, { client, Client: { messageHandlers } }) {
    const deliver = (event, payload) => messageHandlers.get(event)?.(client, payload);
    // CATMAID's handler inserts the title as HTML.
    const escapeHtml = (text) => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
    const toPayload = ({ id, title }) => ({ message_id: id, message_title: escapeHtml(title) });
    notifier.on("message", ({ message, backlog }) => !backlog && deliver("new-message", toPayload(message)));
    notifier.on("event", ({ event, payload }) => deliver(event, payload));
    client.closeBackChannel(); // CATMAID's poller
    Object.assign(client._updateSocket ?? {}, { onclose: null, onerror: null }).close?.();
    client.refreshBackChannel = () => notifier.start(); // CATMAID calls it after each login
}
