/** The cells of a sheet: what is saved, what is typed, and what others have done meanwhile. */

const SHOWN_MS = 4000;

export class Cell {
  version = 0;
  value = ""; // as it is saved
  isSaving = false;
  #fading = null;

  /** @param {HTMLInputElement} input */
  constructor(input) {
    this.input = input;
    this.row = Number(input.dataset.row);
    this.column = Number(input.dataset.column);
  }

  get name() {
    return this.input.getAttribute("aria-label");
  }

  get isChanged() {
    return this.input.value !== this.value;
  }

  /**
   * Take over what is saved. What is being typed stays; who has typed it sees the conflict when it is saved.
   * Returns whether that was news.
   */
  take({ value, version, by }, { isMine = false } = {}) {
    if (version <= this.version) return false;
    const keepsTyped = this.isChanged && !isMine;
    this.version = version;
    this.value = value;
    if (!keepsTyped) this.input.value = value;
    this.input.title = by ? `Last changed by ${by}` : "";
    return true;
  }

  /** Take back what was typed. */
  revert() {
    this.input.value = this.value;
    this.fail("");
  }

  /** Let everybody see that somebody else has changed it. */
  highlight() {
    const { input } = this;
    clearTimeout(this.#fading);
    input.classList.add("changed");
    this.#fading = setTimeout(() => input.classList.remove("changed"), SHOWN_MS);
  }

  /** Say what is wrong with what was typed; an empty text: nothing. */
  fail(text) {
    this.input.setAttribute("aria-invalid", String(text !== ""));
    this.input.setCustomValidity(text);
    if (text) this.input.reportValidity();
  }
}
