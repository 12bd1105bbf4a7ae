import { effectValue, signalValue } from './arithmetic.mjs';

/** What the model says of one execution. */
export class Prediction {
  /** step/wave -> the input of its calls, how many attempts it may take, and the delay before each further one. */
  effects = new Map();
  /** Step -> how long it waits at least, in milliseconds. */
  waits = new Map();
  /** The signals that it waits for. */
  signals = [];
  failedStep = null;
  result = null;

  /** @param {number} n the parameter that payloads of signals depend on */
  constructor(n) {
    this.n = n;
  }

  get status() {
    return this.failedStep === null ? 'completed' : 'failed';
  }

  /** A step calls the effect server. @returns what the server answers */
  effect(step, input, { wave = 1, attempts = 1, delayMs = 0 } = {}) {
    this.effects.set(`${step}/${wave}`, { input, attempts, delayMs });
    return effectValue(step, input);
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

  fail(step) {
    this.failedStep = step;
    return null;
  }
}
