/** Questions to the service. */
(function (page) {
  "use strict";

  class Refused extends Error {
    constructor(status, kind, message) {
      super(message);
      this.status = status;
      this.kind = kind;
    }
  }

  /** In this tab's memory alone. */
  let key = "";

  const useKey = (given) => { key = given; };

  /** @returns {Promise<any>} @throws {Refused} */
  async function ask(path, body) {
    const headers = key ? { authorization: `Bearer ${key}` } : {};
    let answer;
    try {
      answer = await fetch(path, body === undefined
        ? { headers, cache: "no-store" }
        : { method: "POST", headers: { ...headers, "content-type": "application/json" }, body: JSON.stringify(body) });
    } catch {
      throw new Refused(0, "away", "The service does not answer.");
    }
    const said = await answer.json().catch(() => null);
    if (answer.ok && said) return said;
    throw new Refused(answer.status, said?.error?.kind ?? "unknown", said?.error?.message ?? `It answered ${answer.status}.`);
  }

  page.asking = { ask, useKey, Refused };
})((globalThis.medembedPage ??= {}));
