// @ts-check
// The servers that peers need (services/): looked for once, started for a case, ended after it.

export class Services {
  /** @type {import('./service.mjs').Service[]} */ #running = [];
  /** @type {Map<string, string | undefined>} */ #missing = new Map();
  /** @type {Record<string, string>} */ versions = {};

  /** @param {string[]} names @returns {Promise<string | undefined>} why one of them cannot run here */
  async missing(names) {
    for (const name of names) {
      if (!this.#missing.has(name)) this.#missing.set(name, (await load(name)).missing());
      const reason = this.#missing.get(name);
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  /** @param {string[]} names @returns {Promise<Record<string, any>>} their addresses */
  async start(names) {
    /** @type {Record<string, any>} */
    const addresses = {};
    for (const name of names) {
      const module = await load(name);
      const { service, address } = await module.start();
      this.versions[name] ??= module.version();
      this.#running.push(service);
      addresses[name] = address;
    }
    return addresses;
  }

  async stop() {
    await Promise.all(this.#running.splice(0).map((service) => service.stop()));
  }
}

/** @param {string} name */
function load(name) {
  return import(`../services/${name}.mjs`);
}
