import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, fstatSync, openSync, readFileSync, readSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The effect server's process and its log. */
export class EffectProcess {
  #child;
  #log;
  #read = 0;

  static async start(log) {
    const effects = new EffectProcess();
    const program = fileURLToPath(new URL('../effects/effect-server.mjs', import.meta.url));
    effects.#child = spawn(process.execPath, [program, log], { stdio: ['pipe', 'pipe', 'inherit'] });
    effects.#log = log;
    const [line] = await once(createInterface({ input: effects.#child.stdout }), 'line');
    effects.port = JSON.parse(line).port;
    return effects;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  /** The calls that were logged since the last time. */
  newCalls() {
    const file = openSync(this.#log, 'r');
    const buffer = Buffer.alloc(fstatSync(file).size - this.#read);
    readSync(file, buffer, 0, buffer.length, this.#read);
    closeSync(file);
    const whole = buffer.subarray(0, buffer.lastIndexOf(10) + 1);
    this.#read += whole.length;
    if (whole.length === 0) return [];
    return whole
      .toString('utf8')
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  }

  /** All calls of one execution, for the report. */
  callsOf(execution) {
    return readFileSync(this.#log, 'utf8')
      .split('\n')
      .filter((line) => line.includes(`"execution":"${execution}"`));
  }

  async stop() {
    const gone = once(this.#child, 'exit');
    this.#child.stdin.end();
    await gone;
  }
}
