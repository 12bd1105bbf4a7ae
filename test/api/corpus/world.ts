import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type JsonObject } from '../../../src/engine/values.js';
import { type SeenEvent, type SeenExecution } from '../../support/http-client.js';
import { startTestService, type TestService } from '../../support/service.js';
import { startStandIns, type StandIns } from '../../support/stand-ins.js';
import { ROUTES } from './routes.js';

export const DOCUMENTS = join(process.cwd(), 'test', 'fixtures', 'playbooks');

/** A run of a real document that is over. */
export interface EndedRun {
  readonly id: string;
  readonly ended: SeenExecution;
  readonly events: readonly SeenEvent[];
}

/** A service, and stand-ins for everything that real documents reach for. */
export class World {
  private constructor(
    readonly service: TestService,
    readonly standIns: StandIns,
  ) {}

  static async start(env: Readonly<Record<string, string>> = {}): Promise<World> {
    const standIns = await startStandIns(ROUTES);
    return new World(await startTestService({ ...standIns.env, ...env }), standIns);
  }

  async stop(): Promise<void> {
    await this.service.stop();
    await this.standIns.close();
  }

  /** Stores a credential under a name that documents use. */
  async credential(name: string, type: string, data: JsonObject): Promise<void> {
    const { status, json } = await this.service.post('/credentials', { name, type, data });
    expect({ status, json }).toMatchObject({ status: 201 });
  }

  /** Registers a document as it stands. @returns what the catalog answers */
  register(file: string): Promise<JsonObject> {
    return this.service.register(readFileSync(join(DOCUMENTS, file), 'utf8'));
  }

  /** Registers a document as it stands and runs exactly this revision of it, because several families share a path. */
  async run(file: string, parameters: JsonObject = {}): Promise<EndedRun> {
    const { path, version } = await this.register(file);
    const id = await this.service.execute(path as string, { version: version as string, parameters });
    const ended = await this.service.waitDone(id);
    return { id, ended, events: await this.service.events(id) };
  }
}

/** The events of a kind that a step wrote, in order. */
export function eventsOf(run: EndedRun, type: string, step: string): readonly SeenEvent[] {
  return run.events.filter((event) => event.event_type === type && event.node_name === step);
}
