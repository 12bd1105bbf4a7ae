import { effectValue } from './arithmetic.mjs';

/** What the model says of one execution. */
export class Prediction {
  /** step/wave -> the input of its calls, how many attempts it may take, and the delay before each further one. */
  effects = new Map();
  failedStep = null;
  result = null;

  get status() {
    return this.failedStep === null ? 'completed' : 'failed';
  }

  /** A step calls the effect server. @returns what the server answers */
  effect(step, input, { wave = 1, attempts = 1, delayMs = 0 } = {}) {
    this.effects.set(`${step}/${wave}`, { input, attempts, delayMs });
    return effectValue(step, input);
  }

  fail(step) {
    this.failedStep = step;
    return null;
  }
}
