import { setTimeout as sleep } from 'node:timers/promises';
import { documentOf } from '../poison/playbooks.mjs';
import { allEnded, register, startPatiently } from '../start.mjs';

const PADDING = 400 * 1024;
/** The timers are due this long after the last roll was meant to be over. */
const AFTERWARDS_MS = 5_000;

const wait = (step, next) => ({ step, type: 'wait', duration: '{{ workload.ms }}ms', next });
const signal = (step, next) => ({ step, type: 'wait_for', name: 'go', next });
const end = (result) => ({ step: 'end', result });

/**
 * What executions stand at while nodes are replaced: a workflow, what it must come to, and what it takes to go on ('time' passes by itself). `block`: what
 * the generator calls it, where older programs may not know it.
 */
const KINDS = {
  timer: { needs: 'time', workflow: [wait('start', 'end'), end({ n: '{{ workload.n }}' })], result: (n) => ({ n }) },
  signal: { needs: 'signal', workflow: [signal('start', 'end'), end({ got: '{{ start.n }}' })], result: (n) => ({ got: n }) },
  approval: {
    needs: 'approval',
    block: 'approval',
    workflow: [
      { step: 'start', type: 'approval', title: 'Go on?', approvers: { scopes: ['approvals:decide'] }, next: 'end' },
      end({ n: '{{ workload.n }}', decision: '{{ start.decision }}' }),
    ],
    result: (n) => ({ n, decision: 'approved' }),
  },
  caller: {
    needs: 'time',
    workflow: [
      { step: 'start', type: 'playbook', path: 'trial/timer', data: { n: '{{ workload.n }}', ms: '{{ workload.ms }}' }, next: 'end' },
      end({ called: '{{ start.n }}' }),
    ],
    result: (n) => ({ called: n }),
  },
  items: {
    needs: 'time',
    workflow: [
      {
        step: 'start',
        type: 'iterator',
        collection: [1, 2, 3],
        element: 'item',
        mode: 'async',
        task: { type: 'playbook', path: 'trial/timer', data: { n: '{{ workload.n + item }}', ms: '{{ workload.ms }}' } },
        next: 'end',
      },
      end({ all: '{{ start.results | map(attribute="n") | list }}' }),
    ],
    result: (n) => ({ all: [n + 1, n + 2, n + 3] }),
  },
  join: {
    needs: 'signal',
    workflow: [
      { step: 'start', next: ['timed', 'told'] },
      wait('timed', 'both'),
      signal('told', 'both'),
      { step: 'both', data: { n: '{{ told.n }}' }, next: 'end' },
      end({ n: '{{ both.n }}' }),
    ],
    result: (n) => ({ n }),
  },
  large: {
    needs: 'signal',
    workflow: [
      {
        step: 'start',
        type: 'javascript',
        code: `function main() { return { text: 'x'.repeat(${PADDING}) }; }`,
        next: 'hold',
      },
      signal('hold', 'measure'),
      {
        step: 'measure',
        type: 'javascript',
        data: { text: '{{ start.text }}' },
        code: 'function main({ text }) { return { length: text.length }; }',
        next: 'end',
      },
      end({ length: '{{ measure.length }}' }),
    ],
    result: () => ({ length: PADDING }),
  },
  types: {
    needs: 'signal',
    workflow: [
      { step: 'start', data: { n: '{{ workload.n }}' }, next: 'hold' },
      signal('hold', 'py'),
      { step: 'py', type: 'python', data: { n: '{{ start.n }}' }, code: 'def main(n):\n    return {"n": n + 1}\n', next: 'js' },
      {
        step: 'js',
        type: 'javascript',
        data: { n: '{{ py.n }}' },
        code: 'function main({ n }) { return { n: n + 1 }; }',
        next: 'duck',
      },
      { step: 'duck', type: 'duckdb', command: 'SELECT {{ js.n }} + 1 AS n', next: 'end' },
      end({ n: '{{ duck.command_0.rows[0].n }}' }),
    ],
    result: (n) => ({ n: n + 3 }),
  },
  paused: { needs: 'resume', workflow: [wait('start', 'end'), end({ n: '{{ workload.n }}' })], result: (n) => ({ n }), ms: 2_000 },
  pinned: { needs: 'signal', workflow: [signal('start', 'end'), end({ version: 'first' })], result: () => ({ version: 'first' }) },
};

/** Executions that are started before nodes are replaced, stand all the while, and are brought to their end afterwards. */
export class Standing {
  /** @type {{ kind: string, n: number, id: string }[]} */
  executions = [];

  /**
   * @param {object[]} nodes @param {number} count how many there are of all kinds @param {number} dueAt epoch milliseconds: when timers are due
   * @param {(block: string) => boolean} known whether the older program knows a block of the generator
   */
  static async begin(nodes, count, dueAt, known) {
    const standing = new Standing();
    standing.nodes = nodes;
    const kinds = Object.keys(KINDS).filter((name) => known(KINDS[name].block ?? 'call'));
    for (const name of kinds) await register(nodes[0], documentOf(`trial/${name}`, KINDS[name].workflow, { n: 0, ms: 0 }));
    for (let n = 0; n < count; n += 20)
      await Promise.all(
        Array.from({ length: Math.min(20, count - n) }, (_, i) => standing.#begin(kinds[(n + i) % kinds.length], n + i, dueAt)),
      );
    return standing;
  }

  async #begin(kind, n, dueAt) {
    const ms = KINDS[kind].ms ?? Math.max(1_000, dueAt + AFTERWARDS_MS - Date.now());
    const id = await startPatiently(this.nodes, `standing-${n}`, { path: `trial/${kind}`, version: '1.0.0', parameters: { n, ms } });
    if (KINDS[kind].needs === 'resume') await this.#tell(`/executions/${id}/pause`, {});
    this.executions.push({ kind, n, id });
  }

  /** Another version of what stands, with another result: nothing of it may be seen. */
  async changeDefinition() {
    const document = JSON.parse(documentOf('trial/pinned', [{ step: 'start', next: 'end' }, end({ version: 'second' })]));
    document.metadata.version = '1.1.0';
    await register(this.nodes[0], JSON.stringify(document));
  }

  /** How many have not ended. */
  async open(database) {
    return await allEnded(database, 'trial/%', 0);
  }

  /** Tells each what it waits for, and waits for its end. @returns what did not come to what it must */
  async finish(database, withinMs) {
    for (let at = 0; at < this.executions.length; at += 20)
      await Promise.all(this.executions.slice(at, at + 20).map((one) => this.#goOn(one)));
    await allEnded(database, 'trial/%', withinMs);
    const wrong = [];
    for (const { kind, n, id } of this.executions) {
      const { json } = await this.#ask('GET', `/executions/${id}`);
      const wanted = KINDS[kind].result(n);
      if (json.status !== 'completed' || JSON.stringify(json.result) !== JSON.stringify(wanted))
        wrong.push({ kind, id, status: json.status, waiting: json.waiting_for, result: json.result, wanted, error: json.error });
    }
    return wrong;
  }

  async #goOn({ kind, n, id }) {
    switch (KINDS[kind].needs) {
      case 'signal':
        return await this.#tell(`/executions/${id}/signal`, { name: 'go', payload: { n } });
      case 'resume':
        return await this.#tell(`/executions/${id}/resume`, {});
      case 'approval': {
        const { json } = await this.#ask('GET', `/approvals?execution_id=${id}&state=open`);
        return await this.#tell(`/approvals/${json[0]?.id}`, { decision: 'approve' });
      }
    }
  }

  async #tell(path, body) {
    const answer = await this.#ask('POST', path, body);
    if (answer.status >= 300) throw new Error(`${path} was answered with ${answer.status}: ${JSON.stringify(answer.json)}`);
  }

  /** At one node after the other until one answers. */
  async #ask(method, path, body) {
    for (let tries = 0; ; tries++) {
      const answer = await this.nodes[tries % this.nodes.length].http.send(method, path, { body, timeoutMs: 10_000 }).catch(() => null);
      if (answer !== null && answer.status !== 503 && answer.status !== 429) return answer;
      if (tries > 100) throw new Error(`${path} is not answered: ${answer?.status}`);
      await sleep(200);
    }
  }
}
