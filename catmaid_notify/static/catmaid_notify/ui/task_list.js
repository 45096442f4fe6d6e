/** Progress bars of running tasks. */

import { copy, part } from "./dom.js";
import { languageOf } from "./relative_time.js";

/** List of running tasks in the panel. */
export class TaskList {
    #root;
    #list;
    #items = new Map(); // id → list item

    constructor(root) {
        this.#root = root;
        this.#list = part(root, "tasks");
    }

    /** Show these tasks. Existing items are reused, so that their bars move smoothly. */
    draw(tasks) {
        const gone = new Map(this.#items);
        for (const task of tasks) {
            if (!gone.delete(task.id)) {
                this.#items.set(task.id, copy(this.#root, "task"));
                this.#list.append(this.#items.get(task.id));
            }
            this.#update(this.#items.get(task.id), task);
        }
        for (const [id, item] of gone) {
            item.remove();
            this.#items.delete(id);
        }
    }

    #update(item, { title, text, done, total }) {
        const name = part(item, "title");
        const bar = part(item, "progress");
        const percent = part(item, "percent");
        name.textContent = title || name.textContent;
        bar.ariaLabel = name.textContent;
        part(item, "text").textContent = text;
        if (total > 0) {
            bar.max = total;
            bar.value = done;
            percent.textContent = bar.position.toLocaleString(languageOf(this.#root), { style: "percent", roundingMode: "floor" });
        } else {
            bar.removeAttribute("value"); // indeterminate
            percent.textContent = "";
        }
    }
}
