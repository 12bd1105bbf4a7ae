import { createServer, type ServerResponse } from 'node:http';
import { type AddressInfo } from 'node:net';

/** What an execution asks of the world, as its steps send it. */
export interface SagaCall {
  readonly execution: string;
  /** What is done: `do a`, `undo a`. */
  readonly op: string;
  readonly key: string;
  readonly body: Readonly<Record<string, unknown>>;
}

/**
 * The world that sagas act on. Every call is remembered; what it comes to stands in its body: `fail` has the operations that are refused, `flaky`
 * how often one is refused before it goes well, `hold` the one whose first answer never comes.
 */
export class SagaWorld {
  readonly calls: SagaCall[] = [];
  private readonly held: ServerResponse[] = [];
  private readonly server = createServer((request, response) => {
    void (async () => {
      let text = '';
      for await (const chunk of request) text += String(chunk);
      const body = JSON.parse(text) as Record<string, unknown>;
      const [execution, op] = [String(body['execution']), String(body['op'])];
      const times = this.of(execution, op).length;
      this.calls.push({ execution, op, key: String(request.headers['idempotency-key']), body });
      if (body['hold'] === op && times === 0) return void this.held.push(response);
      const flaky = (body['flaky'] ?? {}) as Record<string, number>;
      const isBad = ((body['fail'] ?? []) as string[]).includes(op) || times < (flaky[op] ?? 0);
      response.writeHead(isBad ? 503 : 200, { 'content-type': 'application/json' }).end(JSON.stringify({ id: `${op} #${times + 1}` }));
    })();
  });

  static async start(): Promise<SagaWorld> {
    const world = new SagaWorld();
    await new Promise<void>((resolve) => world.server.listen(0, '127.0.0.1', resolve));
    return world;
  }

  get port(): number {
    return (this.server.address() as AddressInfo).port;
  }

  /** Operations of an execution that were called, in order. */
  ops(execution: string): string[] {
    return this.calls.filter((call) => call.execution === execution).map(({ op }) => op);
  }

  of(execution: string, op: string): SagaCall[] {
    return this.calls.filter((call) => call.execution === execution && call.op === op);
  }

  /** Waits until an operation was called so often. */
  async called(execution: string, op: string, times = 1): Promise<void> {
    for (const until = performance.now() + 30_000; this.of(execution, op).length < times;) {
      if (performance.now() > until) throw new Error(`${op} was called ${this.of(execution, op).length} times, not ${times}`);
      await new Promise((done) => setTimeout(done, 10));
    }
  }

  /** Answers what is held. */
  release(): void {
    for (const response of this.held.splice(0))
      if (!response.destroyed) response.writeHead(200, { 'content-type': 'application/json' }).end('{"id":"released"}');
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise<void>((resolve) => this.server.close(() => resolve()));
  }

  /** An http action that does this; what it comes to is the workload's to say. */
  action(op: string, data: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
    const told = { fail: '{{ workload.fail }}', flaky: '{{ workload.flaky }}', hold: '{{ workload.hold }}' };
    return {
      type: 'http',
      method: 'POST',
      endpoint: `http://127.0.0.1:${this.port}/`,
      data: { execution: '{{ execution_id }}', op, ...told, ...data },
    };
  }

  /** A step that does it and says how it is undone. */
  step(name: string, next: unknown, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
    return { step: name, ...this.action(`do ${name}`, { n: name }), compensate: this.undo(name), next, ...more };
  }

  undo(name: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
    return {
      ...this.action(`undo ${name}`, { result: '{{ result.data.id }}', was: '{{ inputs.n }}', why: '{{ error.code if error else None }}' }),
      ...more,
    };
  }
}

/** A document of these steps; the workload says what the world shall make of them. */
export const sagaDocument = (path: string, steps: readonly object[]): string =>
  JSON.stringify({
    apiVersion: 'noetl.io/v1',
    kind: 'Playbook',
    metadata: { name: path.split('/').at(-1), path },
    workload: { fail: [], flaky: {}, hold: '' },
    workflow: [...steps, { step: 'end' }],
  });
