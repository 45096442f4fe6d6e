/** List item of a message, for the panel and for toasts. */

import { copy, part, safeUrl } from "./dom.js";

const LONG_TEXT = 500; // characters; longer texts scroll, so they must be focusable

/**
 * Return the list item of a message. Its time is filled in by `updateTimes`.
 *
 * @param {Element} root  the inbox
 * @param {object} message
 * @param {function(MouseEvent): void} open  called at a click on the link, with any button
 */
export function drawMessage(root, { id, level, title, text, action, time, read }, open) {
    const item = copy(root, "message");
    const link = part(item, "title");
    const body = part(item, "text");
    const url = safeUrl(action, root.baseURI);
    item.dataset.id = id;
    item.dataset.level = level;
    item.toggleAttribute("data-unread", !read);
    item.prepend(copy(root, level));
    link.textContent = title || link.textContent;
    body.textContent = text;
    if (text.length > LONG_TEXT) {
        body.tabIndex = 0;
    }
    if (url) {
        link.href = url;
        link.onclick = link.onauxclick = open;
    }
    for (const button of item.querySelectorAll("button")) {
        button.ariaLabel = `${button.title}: ${link.textContent}`;
    }
    part(item, "time").dateTime = time;
    return item;
}
