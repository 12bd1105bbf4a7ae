import { fdatasync, openSync, writeSync } from 'node:fs';

/**
 * What clients and nemesis did, one JSON line each, on disk before and after every call: the checker itself may be killed. Lines that come during
 * a sync share the next one. Kept in memory as well, for the checks of the round.
 */
export class History {
  #file;
  #waiting = [];
  #writing = false;
  lines = [];

  constructor(path) {
    this.#file = openSync(path, 'a');
  }

  /** Resolves once the line is on disk. @returns {Promise<object>} the line with its times: `t` monotonic, `wall` epoch, both milliseconds */
  async write(entry) {
    const line = { t: performance.now(), wall: Date.now(), ...entry };
    this.lines.push(line);
    await new Promise((resolve) => {
      this.#waiting.push({ line, resolve });
      if (this.#writing) return;
      this.#writing = true;
      // After this turn: what is written together shares a sync.
      setImmediate(() => this.#flush());
    });
    return line;
  }

  #flush() {
    const batch = this.#waiting;
    this.#waiting = [];
    writeSync(this.#file, batch.map(({ line }) => `${JSON.stringify(line)}\n`).join(''));
    fdatasync(this.#file, (error) => {
      if (error) throw error;
      for (const { resolve } of batch) resolve();
      if (this.#waiting.length > 0) this.#flush();
      else this.#writing = false;
    });
  }
}
