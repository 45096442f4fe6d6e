/** For CATMAID's front end: hand each event to its `CATMAID.Client.messageHandlers`, and end its own socket and poller. */
export function feedCatmaid(notifier, client, options) {
    const handlers = client.messageHandlers;
    const tell = (event, payload) => handlers.get(event)?.(client, payload);
    const offs = [
        notifier.on("message", ({ message: { id, title } }) => tell("new-message", { message_id: id, message_title: title }), options),
        notifier.on("event", ({ event, payload }) => tell(event, payload), options),
    ];
    return () => offs.forEach((off) => off());
}
