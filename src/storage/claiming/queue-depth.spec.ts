import { type DataSource } from 'typeorm';
import { SILENT_LOG } from '../log.js';
import { QueueDepth } from './queue-depth.js';

/** A queue of at most two, counted by a database whose answers the test gives. */
class Counted {
  now = 0;
  asked = 0;
  queued = 0;
  answers = true;
  readonly depth: QueueDepth;

  constructor() {
    const query = async (): Promise<unknown> => {
      this.asked += 1;
      if (!this.answers) await new Promise(() => undefined);
      return this.queued === 0 ? [] : [{ tenant: 'a', queued: String(this.queued) }];
    };
    this.depth = new QueueDepth({ query } as unknown as DataSource, { perTenant: 2, total: 10 }, SILENT_LOG, () => this.now);
  }

  async fill(): Promise<void> {
    await this.depth.enter('a');
    await this.depth.enter('a');
    this.queued = 2;
  }
}

const FULL = expect.objectContaining({ code: 'queue_full' }) as Error;

describe('refuseIfFull', () => {
  it('lets pass where there is room, and takes none', () => {
    const { depth } = new Counted();
    for (let n = 0; n < 5; n++) expect(() => depth.refuseIfFull('a')).not.toThrow();
  });

  it('refuses a full queue without waiting for a database that does not answer', async () => {
    const counted = new Counted();
    await counted.fill();
    counted.now = 2_000;
    counted.answers = false;
    expect(() => counted.depth.refuseIfFull('a')).toThrow(FULL);
    expect(() => counted.depth.refuseIfFull('b')).not.toThrow();
  });

  it('has the queue counted, so that it ends once there is room', async () => {
    const counted = new Counted();
    await counted.fill();
    expect(() => counted.depth.refuseIfFull('a')).toThrow(FULL);
    counted.queued = 0;
    counted.now = 2_000;
    expect(() => counted.depth.refuseIfFull('a')).toThrow(FULL);
    await new Promise(setImmediate);
    expect(() => counted.depth.refuseIfFull('a')).not.toThrow();
  });

  it('says nothing by a count that is old', async () => {
    const counted = new Counted();
    await counted.fill();
    counted.answers = false;
    counted.now = 60_000;
    expect(() => counted.depth.refuseIfFull('a')).not.toThrow();
  });
});
