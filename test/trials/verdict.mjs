/** What a trial has found: bounds that hold or do not, figures without a bound, and reasons why it proves nothing. */
export class Verdict {
  #bounds = [];
  #figures = [];
  #lacks = [];

  /** @param {string} promise what must hold @param {boolean} holds @param {unknown} seen the figure, or what broke it */
  bound(promise, holds, seen) {
    this.#bounds.push({ promise, holds, seen });
  }

  /** A figure that nothing is required of. */
  figure(name, seen) {
    this.#figures.push({ name, seen });
  }

  /** Unless `enough`, the trial does not count: it did not meet what it was made for. */
  needs(enough, reason) {
    if (!enough) this.#lacks.push(reason);
  }

  /** Prints everything. @returns the exit code: 0 passed, 1 a bound is broken, 3 it does not count */
  conclude(name, seed) {
    console.log('');
    for (const { name: figure, seen } of this.#figures) console.log(`  ${figure}: ${text(seen)}`);
    for (const { promise, holds, seen } of this.#bounds) console.log(`  ${holds ? 'holds ' : 'BROKEN'}  ${promise}: ${text(seen)}`);
    const broken = this.#bounds.filter(({ holds }) => !holds);
    if (broken.length > 0) {
      console.log(`BROKEN: ${name}, seed ${seed}: ${broken.map(({ promise }) => promise).join('; ')}`);
      return 1;
    }
    if (this.#lacks.length > 0 || this.#bounds.length === 0) {
      console.log(`DOES NOT COUNT: ${name}, seed ${seed}: ${this.#lacks.join('; ') || 'nothing was checked'}`);
      return 3;
    }
    console.log(`passed: ${name}, seed ${seed}`);
    return 0;
  }
}

const text = (seen) => (typeof seen === 'string' ? seen : JSON.stringify(seen));
