import { Random } from '../random.mjs';
import { BLOCKS, LAST_BLOCKS } from './blocks.mjs';
import { Prediction } from './prediction.mjs';

/** Executions that one start may make at most, itself among them. */
const MOST_EXECUTIONS = 10;
/** Executions that one step may call. */
const MOST_CALLS = 3;
/** What is called may call so deep itself. */
const DEEPEST_CALL = 1;

/** A generated playbook: the document that is registered, and what its executions must come to. */
export class Playbook {
  #blocks;
  /** How deep it calls others. */
  depth = 0;
  /** How many executions a start of it makes, if nothing fails. */
  executions = 1;

  /**
   * @param {{ seed: string, path: string, version: string, effectUrl: string, only?: readonly string[], callable?: readonly Playbook[],
   *   ledger?: { url: string, table: string } | null, known?: (block: string) => boolean }} options `only`: exactly these blocks; `callable`: what it may
   *   call; `ledger`: where it may save rows; `known`: the blocks that may be drawn
   */
  constructor({ seed, path, version, effectUrl, only, callable = [], ledger = null, known = () => true }) {
    this.path = path;
    this.version = version;
    const random = new Random(seed);
    const counters = {};
    const maker = {
      random,
      effectUrl,
      ledger,
      name: (kind) => `${kind}_${(counters[kind] = (counters[kind] ?? 0) + 1)}`,
      /** @returns what may still be called */
      callable,
      calls: (child, times) => {
        this.depth = Math.max(this.depth, child.depth + 1);
        this.executions += times * child.executions;
        maker.callable = callable.filter(({ executions }) => this.executions + MOST_CALLS * executions <= MOST_EXECUTIONS);
      },
    };
    this.shape = only ? [...only] : Array.from({ length: random.int(1, 4) }, () => random.weighted(weightsOf(BLOCKS, known)));
    if (!only && random.chance(0.1)) this.shape.push(random.weighted(weightsOf(LAST_BLOCKS, known)));
    let input = 'start.v';
    this.#blocks = this.shape.map((name) => {
      const block = (BLOCKS[name] ?? LAST_BLOCKS[name]).make(maker, input);
      input = block.output;
      return block;
    });
    const { signals, approvals, failedStep } = this.predict({ n: 0, blob: '' });
    /** Whether its executions fail, whatever their parameters. */
    this.fails = failedStep !== null;
    // Nobody knows the executions that are called, so nobody would send them their signals, or decide what they ask.
    this.isCallable =
      signals.length + approvals.length === 0 && this.depth <= DEEPEST_CALL && MOST_CALLS * this.executions < MOST_EXECUTIONS;
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
        { step: 'end', result: { v: `{{ ${output} }}`, n: '{{ workload.n }}', blob: '{{ workload.blob }}' } },
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
    run.result = { v: value, n, blob };
    return run;
  }
}

const weightsOf = (blocks, known) =>
  Object.fromEntries(Object.entries(blocks).map(([name, { weight }]) => [name, known(name) ? weight : 0]));
