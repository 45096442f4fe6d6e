/** Feed CATMAID's front end: its handlers of messages get what comes in, and its own socket and poller rest. */
export function feedCatmaid(notifier, { client, Client: { messageHandlers } }) {
    const tell = (event, payload) => messageHandlers.get(event)?.(client, payload);
    // Its handler puts the title into the page as HTML.
    const escape = (text) => text.replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
    const toPayload = ({ id, title }) => ({ message_id: id, message_title: escape(title) });
    notifier.on("message", ({ message, backlog }) => !backlog && tell("new-message", toPayload(message)));
    notifier.on("event", ({ event, payload }) => tell(event, payload));
    client.closeBackChannel(); // its poller
    Object.assign(client._updateSocket ?? {}, { onclose: null, onerror: null }).close?.();
    client.refreshBackChannel = () => notifier.start(); // when somebody has signed in
}
