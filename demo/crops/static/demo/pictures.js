/** Loads pictures of slices and keeps the latest ones; requests for what is no longer wanted are given up. */

const KEPT = 160;
const RETRY_MS = 3000;

export class Pictures {
  /**
   * @param {object} options
   * @param {(key: string) => string} options.url  address of a picture
   * @param {() => void} options.changed  called when a picture has come
   * @param {(status: number, text: string) => void} options.failed  called when one can't be had
   */
  constructor({ url, changed, failed }) {
    this.url = url;
    this.changed = changed;
    this.failed = failed;
    /** @type {Map<string, ImageBitmap>} the latest used ones last */
    this.loaded = new Map();
    /** @type {Map<string, string>} key → why there is none */
    this.missing = new Map();
    /** @type {Map<string, AbortController>} */
    this.loading = new Map();
  }

  /** @returns {ImageBitmap | undefined} */
  get(key) {
    const picture = this.loaded.get(key);
    if (picture) {
      this.loaded.delete(key);
      this.loaded.set(key, picture);
    }
    return picture;
  }

  /** Load these, the first ones first, and nothing else. */
  want(keys) {
    const wanted = new Set(keys);
    for (const [key, controller] of this.loading) {
      if (!wanted.has(key)) {
        controller.abort();
        this.loading.delete(key);
      }
    }
    for (const key of wanted) {
      if (!this.loaded.has(key) && !this.loading.has(key) && !this.missing.has(key)) void this.load(key);
    }
  }

  clear() {
    this.want([]);
    for (const picture of this.loaded.values()) picture.close();
    this.loaded.clear();
    this.missing.clear();
  }

  async load(key) {
    const controller = new AbortController();
    this.loading.set(key, controller);
    try {
      const response = await fetch(this.url(key), { signal: controller.signal });
      if (!response.ok) {
        this.missing.set(key, response.status === 404 ? await response.text() : "The server can't show this part.");
        this.failed(response.status, this.missing.get(key));
      } else {
        this.keep(key, await createImageBitmap(await response.blob()));
      }
    } catch {
      if (controller.signal.aborted) return;
      this.missing.set(key, "The server can't be reached.");
      this.failed(0, this.missing.get(key));
    }
    if (this.loading.get(key) === controller) this.loading.delete(key);
    if (this.missing.has(key)) setTimeout(() => this.missing.delete(key) && this.changed(), RETRY_MS);
    this.changed();
  }

  keep(key, picture) {
    this.loaded.set(key, picture);
    for (const [oldest, old] of this.loaded) {
      if (this.loaded.size <= KEPT) break;
      this.loaded.delete(oldest);
      old.close();
    }
  }
}
