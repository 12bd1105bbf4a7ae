import { Random } from '../random.mjs';
import { BLOCKS, LAST_BLOCKS } from './blocks.mjs';
import { Prediction } from './prediction.mjs';

/** A generated playbook: the document that is registered, and what its executions must come to. */
export class Playbook {
  #blocks;

  /** @param {{ seed: string, path: string, version: string, effectUrl: string, only?: readonly string[] }} options `only`: exactly these blocks */
  constructor({ seed, path, version, effectUrl, only }) {
    this.path = path;
    this.version = version;
    const random = new Random(seed);
    const counters = {};
    const maker = { random, effectUrl, name: (kind) => `${kind}_${(counters[kind] = (counters[kind] ?? 0) + 1)}` };
    const weights = Object.fromEntries(Object.entries(BLOCKS).map(([name, { weight }]) => [name, weight]));
    this.shape = only ? [...only] : Array.from({ length: random.int(1, 4) }, () => random.weighted(weights));
    if (!only && random.chance(0.08)) this.shape.push('fatal');
    let input = 'start.v';
    this.#blocks = this.shape.map((name) => {
      const block = (BLOCKS[name] ?? LAST_BLOCKS[name]).make(maker, input);
      input = block.output;
      return block;
    });
    this.content = JSON.stringify(this.#document(input), null, 1);
  }

  #document(output) {
    const entries = [...this.#blocks.map((block) => block.entry), 'end'];
    return {
      apiVersion: 'noetl.io/v1',
      kind: 'Playbook',
      metadata: { name: this.path.split('/').at(-1), path: this.path, version: this.version },
      workload: { n: 0, blob: '' },
      workflow: [
        { step: 'start', data: { v: '{{ workload.n }}' }, next: entries[0] },
        ...this.#blocks.flatMap((block, index) => block.steps(entries[index + 1])),
        { step: 'end', result: { v: `{{ ${output} }}`, n: '{{ workload.n }}', size: '{{ workload.blob | length }}' } },
      ],
    };
  }

  /** What an execution with these parameters must come to if nobody cancels it. */
  predict({ n, blob }) {
    const run = new Prediction(n);
    let value = n;
    for (const block of this.#blocks) {
      value = block.predict(run, value);
      if (run.failedStep !== null) return run;
    }
    run.result = { v: value, n, size: blob.length };
    return run;
  }
}
