import { type JsonObject } from '../../src/engine/values.js';
import { type Answer, expectContract } from './contract.js';

/** Text goes out as it is, anything else as JSON. */
export type RequestBody = string | Uint8Array<ArrayBuffer> | object;

/** An event of a history, as far as tests look at it. */
export interface SeenEvent {
  readonly seq: number;
  readonly event_type: string;
  readonly node_name: string | null;
  readonly status: string;
  readonly result: unknown;
  readonly error: string | null;
  readonly attempt: number | null;
  readonly created_at: string;
  readonly meta: JsonObject;
}

/** An execution, as far as tests look at it. */
export interface SeenExecution extends JsonObject {
  readonly id: string;
  readonly status: string;
  readonly progress: number;
}

export interface TestAnswer extends Answer {
  readonly json: JsonObject;
}

/** How long something that must happen may take. Nothing about how fast the service is: two files run at a time, beside other checks. */
const PATIENCE_MS = 90_000;

/** A client of a running service. Every answer it gets is held against the published contract. */
export class HttpClient {
  constructor(readonly url: string) {}

  async request(method: string, path: string, body?: RequestBody, headers: Record<string, string> = {}): Promise<TestAnswer> {
    const raw = typeof body === 'string' || body instanceof Uint8Array;
    const type: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
    const response = await fetch(this.url + path, {
      method,
      headers: { ...type, ...headers },
      ...(body === undefined ? {} : { body: raw ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = (response.headers.get('content-type') ?? '').includes('json');
    const answer: Answer = {
      status: response.status,
      headers: response.headers,
      text,
      json: isJson ? (JSON.parse(text) as unknown) : undefined,
    };
    expectContract(method, path, answer);
    return answer as TestAnswer;
  }

  get(path: string, headers: Record<string, string> = {}): Promise<TestAnswer> {
    return this.request('GET', path, undefined, headers);
  }

  post(path: string, body?: RequestBody, headers: Record<string, string> = {}): Promise<TestAnswer> {
    return this.request('POST', path, body, headers);
  }

  /** Registers a document that must be accepted. */
  async register(content: string, extra: JsonObject = {}): Promise<JsonObject> {
    const { status, json } = await this.post('/catalog/register', { content, ...extra });
    expect({ status, json }).toMatchObject({ status: status === 200 ? 200 : 201 });
    return json;
  }

  /** Starts by id, which must be accepted. @returns the id of the execution */
  async run(playbookId: string, extra: JsonObject = {}): Promise<string> {
    return idOf(await this.post('/executions/run', { playbook_id: playbookId, ...extra }));
  }

  /** Starts by path, which must be accepted. @returns the id of the execution */
  async execute(path: string, extra: JsonObject = {}): Promise<string> {
    return idOf(await this.post('/execute', { path, ...extra }));
  }

  /** The execution at its end. @param seconds for which each request waits; on a busy machine it is asked again */
  async waitDone(id: string, seconds = 40): Promise<SeenExecution> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const { json } = await this.get(`/executions/${id}`, { prefer: `wait=${seconds}` });
      if (/^(completed|failed|cancelled)$/.test(String(json.status))) return json as unknown as SeenExecution;
      if (performance.now() > deadline) throw new Error(`execution ${id} does not end: ${JSON.stringify(json)}`);
    }
  }

  /** The whole history, oldest first. */
  async events(id: string): Promise<readonly SeenEvent[]> {
    const { json } = await this.get(`/executions/${id}/events?limit=1000`);
    return json.events as unknown as SeenEvent[];
  }

  /** Resolves when the history has such an event. */
  async waitEvent(id: string, wanted: (event: SeenEvent) => boolean): Promise<SeenEvent> {
    const deadline = performance.now() + PATIENCE_MS;
    for (;;) {
      const found = (await this.events(id)).find(wanted);
      if (found !== undefined) return found;
      if (performance.now() > deadline) throw new Error(`execution ${id} has no such event`);
      await new Promise((done) => setTimeout(done, 20));
    }
  }
}

function idOf({ status, json }: TestAnswer): string {
  expect({ status, json }).toMatchObject({ status: 202, json: { id: expect.stringMatching(/^\d+$/) as string } });
  return json.id as string;
}
