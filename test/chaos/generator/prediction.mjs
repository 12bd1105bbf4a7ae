import { effectValue, signalValue } from './arithmetic.mjs';

/** What the model says of one execution. */
export class Prediction {
  /** step/wave/part -> the input of its calls, how many attempts it may take, the delay before each further one, and whether it must happen. */
  effects = new Map();
  /** step/wave/item -> what is called: path, version, its parameter `n`, and whether it must be. */
  children = new Map();
  /** step/wave -> what its saves come to, in order; `data` where it is the same for every execution. */
  saves = new Map();
  /** Step -> the value in its row of the ledger. */
  rows = new Map();
  /** Step -> how it is undone, in the order in which the steps end: what it covers, and whether it fails. */
  undos = new Map();
  /** Step -> how long it waits at least, in milliseconds. */
  waits = new Map();
  /** The signals that it waits for. */
  signals = [];
  /** The steps that wait for an approval. */
  approvals = [];
  failedStep = null;
  /** Of a step that fails with one item: which. */
  failedItem = null;
  result = null;

  /** @param {number} n the parameter that payloads of signals depend on */
  constructor(n) {
    this.n = n;
  }

  get status() {
    return this.failedStep === null ? 'completed' : 'failed';
  }

  /**
   * A step calls the effect server. `part`: which part of the step does (`2` its third item, `s0` its first save, `p1` its second page), `-` its action.
   * @returns what the server answers
   */
  effect(step, input, { wave = 1, part = '-', attempts = 1, delayMs = 0, must = true } = {}) {
    this.effects.set(`${step}/${wave}/${part}`, { input, attempts, delayMs, must });
    return effectValue(step, input);
  }

  /** A step is undone with a call, where its execution fails or is cancelled. */
  undo(step, input, { covers = 'completed', fails = false, attempts = 1, delayMs = 0 } = {}) {
    this.undos.set(step, { covers, fails });
    this.effects.set(`${step}.compensate/1/-`, { input, attempts, delayMs, must: false });
  }

  /** A step calls another playbook. @returns {Prediction} of it */
  child(step, playbook, n, { wave = 1, item = null, must = true } = {}) {
    const { path, version } = playbook;
    const prediction = playbook.predict({ n, blob: '' });
    this.children.set(`${step}/${wave}/${item ?? '-'}`, { path, version, n, must });
    return prediction;
  }

  /** Passes on what reached it. */
  wait(step, ms, value) {
    this.waits.set(step, ms);
    return value;
  }

  /** @returns the value that the signal brings */
  signal(name) {
    this.signals.push(name);
    return signalValue(name, this.n);
  }

  /** @returns what is filled in where it is approved */
  approval(step) {
    this.approvals.push(step);
    return signalValue(step, this.n);
  }

  fail(step, item = null) {
    for (const undone of this.undos.keys()) this.effects.get(`${undone}.compensate/1/-`).must = true;
    this.failedStep = step;
    this.failedItem = item;
    return null;
  }
}
