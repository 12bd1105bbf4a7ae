import { type Unit, type UnitOutcome, type UnitSource } from '../../engine/ports.js';
import { newRun } from '../../engine/testing/scripted-run.js';
import { type BatchAnswer } from './batch-statement.js';
import { BatchWriter, type BatchWriterSettings } from './batch-writer.js';
import { CommitSignals } from '../commit-signals.js';
import { DatabaseHistory } from '../connection/database-history.js';
import { LeaseTerm } from '../lease-term.js';
import { SILENT_LOG } from '../log.js';

type LaneConnection = ReturnType<NonNullable<BatchWriterSettings['connect']>>;

/** A connection on which every batch stays under way until it is told to commit. */
class SlowConnection {
  readonly writes: { readonly ids: string[]; commit(): void }[] = [];

  write(parameters: readonly string[]): Promise<BatchAnswer> {
    const { promise, resolve } = Promise.withResolvers<BatchAnswer>();
    const ids = /^\{(.*)\}$/.exec(parameters[27]!)![1]!.split(',');
    this.writes.push({ ids, commit: () => resolve({ passed: null, unheard: null, denied: null, at: 1, late_at: null }) });
    return promise;
  }

  readonly open = (): Promise<void> => Promise.resolve();
  readonly close = (): Promise<void> => Promise.resolve();
  readonly lastWarning = (): null => null;
  readonly drop = (): void => undefined;
}

/** A run that is born, with a unit that is said to be so long. */
class Source implements UnitSource {
  readonly outcomes: UnitOutcome['kind'][] = [];
  taken = 0;

  constructor(
    readonly runId: string,
    readonly characters?: number,
    private readonly text = '',
  ) {}

  takeUnit(): Unit {
    this.taken += 1;
    const row = { status: 'running', progress: 0, currentStep: null, waitingFor: null, error: null } as const;
    const none = { end: null, release: null, seenInbox: 0, recordsProgress: false, snapshot: null, children: [], parent: null };
    return {
      runId: this.runId,
      tenantId: 't',
      token: 'x',
      create: newRun(this.runId, { parameters: { text: this.text } }),
      expectedSeq: 0,
      events: [],
      row,
      ...none,
    };
  }

  unitSettled({ kind }: UnitOutcome): void {
    this.outcomes.push(kind);
  }
}

const turns = async (): Promise<void> => {
  for (let n = 0; n < 10; n++) await new Promise((resolve) => setTimeout(resolve));
};
const MIB = 1_048_576;

describe(BatchWriter.name, () => {
  let connections: SlowConnection[];
  let writer: BatchWriter;
  const newWriter = (batchesInFlight: number): BatchWriter => {
    connections = [];
    const connect = (): LaneConnection => {
      const connection = new SlowConnection();
      connections.push(connection);
      return connection as unknown as LaneConnection;
    };
    const basics = { url: '', lease: new LeaseTerm(15_000), history: new DatabaseHistory(SILENT_LOG), log: SILENT_LOG };
    return new BatchWriter({ ...basics, connections: batchesInFlight, connect }, new CommitSignals());
  };
  beforeEach(() => {
    writer = newWriter(1);
  });

  it('sends a batch beside one in flight once as many wait as that one has, and a few never', async () => {
    writer = newWriter(2);
    let made = 0;
    const announce = (count: number): Source[] => {
      const sources = Array.from({ length: count }, () => new Source(String(++made)));
      for (const source of sources) writer.announce(source);
      return sources;
    };
    const sent = (): number[] => connections.flatMap(({ writes }) => writes.map(({ ids }) => ids.length));
    const commitAll = async (): Promise<void> => {
      for (const connection of connections) connection.writes.at(-1)?.commit();
      await writer.flush();
    };
    announce(5);
    await turns();
    const few = announce(15);
    await turns();
    expect(sent()).toEqual([5]);
    const enough = announce(1);
    await turns();
    expect(sent()).toEqual([5, 16]);
    await commitAll();
    expect([...few, ...enough].map(({ outcomes }) => outcomes)).toEqual(Array.from({ length: 16 }, () => ['committed']));
    announce(20);
    await turns();
    announce(19);
    await turns();
    expect(sent()).toEqual([5, 20, 16]);
    announce(1);
    await turns();
    expect(sent()).toEqual([5, 20, 16, 20]);
    // Two are in flight: whoever comes now waits for the end of one.
    announce(40);
    await turns();
    expect(sent()).toEqual([5, 20, 16, 20]);
    connections[1]!.writes.at(-1)!.commit();
    await turns();
    expect(sent()).toEqual([5, 20, 16, 20, 40]);
    await commitAll();
  });

  it('writes large units one at a time beside the others, which do not wait for them', async () => {
    const [large, next, small, later] = [new Source('1', MIB), new Source('2', 5 * MIB), new Source('3', MIB - 1), new Source('4')];
    for (const source of [large, next, small]) writer.announce(source);
    await turns();
    const [forAll, forLarge] = connections as [SlowConnection, SlowConnection];
    expect([forAll.writes.map(({ ids }) => ids), forLarge.writes.map(({ ids }) => ids)]).toEqual([[['3']], [['1']]]);
    forAll.writes[0]!.commit();
    await turns();
    // What it takes says nothing about how long others take.
    expect([small.outcomes, writer.latencyMs()]).toEqual([['committed'], 0]);
    writer.announce(later);
    await turns();
    forAll.writes[1]!.commit();
    await turns();
    // Nothing is made of the next large one before its turn has come: its texts would only take room.
    expect([later.outcomes, large.outcomes, next.taken]).toEqual([['committed'], [], 0]);
    forLarge.writes[0]!.commit();
    await turns();
    expect([large.outcomes, forLarge.writes.map(({ ids }) => ids)]).toEqual([['committed'], [['1'], ['2']]]);
    forLarge.writes[1]!.commit();
    await writer.flush();
    expect([next.outcomes, writer.counts]).toEqual([['committed'], { batches: 4, commits: 4, units: 4 }]);
  });

  it('has what turns out to be large wait for the connection of large ones, and its neighbours for nothing', async () => {
    const [large, next, small] = [
      new Source('1', undefined, 'x'.repeat(MIB)),
      new Source('2', undefined, 'x'.repeat(MIB)),
      new Source('3'),
    ];
    for (const source of [large, next, small]) writer.announce(source);
    await turns();
    const [forAll, forLarge] = connections as [SlowConnection, SlowConnection];
    expect([forAll.writes.map(({ ids }) => ids), forLarge.writes.map(({ ids }) => ids)]).toEqual([[['3']], [['1']]]);
    forAll.writes[0]!.commit();
    forLarge.writes[0]!.commit();
    await turns();
    forLarge.writes[1]!.commit();
    await writer.flush();
    expect([large, next, small].map(({ outcomes, taken }) => [outcomes, taken])).toEqual([
      [['committed'], 1],
      [['committed'], 1],
      [['committed'], 1],
    ]);
    expect([forAll.writes.length, forLarge.writes.map(({ ids }) => ids)]).toEqual([1, [['1'], ['2']]]);
  });

  it('settles large units that were not taken yet as lost where it closes', async () => {
    const [large, next] = [new Source('1', MIB), new Source('2', MIB)];
    for (const source of [large, next]) writer.announce(source);
    await turns();
    const closed = writer.close(0);
    await turns();
    connections[1]!.writes[0]!.commit();
    await closed;
    expect([large.outcomes, next.outcomes]).toEqual([['committed'], ['lost']]);
  });
});
