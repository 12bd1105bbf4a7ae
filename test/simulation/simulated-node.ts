import { Performer } from '../../src/engine/performer.js';
import { type UnitSource } from '../../src/engine/ports.js';
import { type Settings } from '../../src/config/settings.js';
import { BatchWriter } from '../../src/storage/batch/batch-writer.js';
import { ApprovalDecisions } from '../../src/storage/approval-decisions.js';
import { ByteBudget } from '../../src/storage/byte-budget.js';
import { CommitSignals } from '../../src/storage/commit-signals.js';
import { type CompiledPlaybooks } from '../../src/storage/compiled-playbooks.js';
import { DatabaseClock } from '../../src/storage/connection/database-clock.js';
import { DatabaseHistory } from '../../src/storage/connection/database-history.js';
import { EphemeralRuns } from '../../src/storage/ephemeral-runs.js';
import { HeldRuns } from '../../src/storage/claiming/held-runs.js';
import { type IdMint } from '../../src/storage/ids.js';
import { Inbox } from '../../src/storage/inbox.js';
import { LeaseRenewal } from '../../src/storage/claiming/lease-renewal.js';
import { LeaseTerm } from '../../src/storage/lease-term.js';
import { type Log } from '../../src/storage/log.js';
import { type Notifications } from '../../src/storage/connection/notifications.js';
import { type WriterConnection } from '../../src/storage/batch/writer-connection.js';
import { type Connection } from '../../src/storage/connection/own-connection.js';
import { QueueDepth } from '../../src/storage/claiming/queue-depth.js';
import { RunQueue } from '../../src/storage/claiming/run-queue.js';
import { PostgresRunStore } from '../../src/storage/run-store.js';
import { type Timing } from '../../src/storage/timing.js';
import { Worker } from '../../src/worker/worker.service.js';
import { SimulatedChildRuns } from './child-runs.js';
import { SimulatedConnection, simulatedDataSource } from './connections.js';
import { CALM, Network } from './network.js';
import { type Random } from './random.js';
import { VirtualProcess } from './scheduler.js';
import { EPOCH_MS } from './simulated-database.js';
import { type World } from './world.js';

const WRITER_ANSWER_MS = 8_000;
const WRITER_CLOSE_MS = 5_000;

/** What a performer is to the mutant below. */
interface Sleeping {
  childEnded: Performer['childEnded'];
  readonly performing: ReadonlyMap<number, { asleepUntil: number | null }>;
}

/** Lets a run take a program that was just told of the end of its call for asleep, until the program says otherwise. */
function letEndedCallsSleep(source: UnitSource): void {
  const { performer } = source as unknown as { readonly performer?: Sleeping | null };
  if (!performer || Object.hasOwn(performer, 'childEnded')) return;
  performer.childEnded = (step, childId) => {
    const program = performer.performing.get(step);
    const asleepUntil = program?.asleepUntil ?? null;
    Performer.prototype.childEnded.call(performer, step, childId);
    if (program) program.asleepUntil = asleepUntil;
  };
}

/** The store of a node, which also tells who announces: the orchestrators, for checks of their state. */
class ObservedStore extends PostgresRunStore {
  constructor(
    db: ConstructorParameters<typeof PostgresRunStore>[0],
    writer: BatchWriter,
    private readonly seen: (source: UnitSource) => void,
  ) {
    super(db, writer);
  }

  override announce(source: UnitSource): void {
    this.seen(source);
    super.announce(source);
  }
}

/** One life of a node: the service's own classes for queue, writer, leases, inbox and worker, in a virtual process, over a simulated network. */
export class SimulatedNode {
  readonly process: VirtualProcess;
  readonly network: Network;
  readonly queue: RunQueue;
  readonly inbox: Inbox;
  readonly approvals: ApprovalDecisions;
  readonly db: ReturnType<typeof simulatedDataSource>;
  readonly held: HeldRuns;
  /** Who wrote for a run last. */
  readonly sources = new Map<string, UnitSource>();
  draining = false;
  readonly clock: DatabaseClock;
  private readonly writer: BatchWriter;
  private readonly renewal: LeaseRenewal;
  private readonly worker: Worker;
  private tokens = 0;

  /** @param life counts the processes of this node */
  constructor(
    private readonly world: World,
    readonly index: number,
    life: number,
    readonly random: Random,
    skewMs: number,
  ) {
    const { scheduler, scenario, mutant } = world;
    this.process = new VirtualProcess(`n${index}.${life}`, scheduler);
    const timing = this.timing(skewMs);
    this.network = new Network(scheduler, this.process, world.server, random.fork('network'), timing.now, (what) =>
      world.history.note(null, this.process.name, what),
    );
    this.network.weather = world.healed ? CALM : scenario.weather;
    const lease = new LeaseTerm(scenario.leaseMs);
    const log = this.log();
    const history = new DatabaseHistory(log);
    this.clock = new DatabaseClock(timing);
    const clock = this.clock;
    const signals = new CommitSignals();
    this.db = simulatedDataSource(this.network);
    const connect = (answerMs: number): SimulatedConnection => new SimulatedConnection(this.network, answerMs, mutant);
    this.writer = new BatchWriter(
      {
        url: '',
        connections: 2,
        // Two at once as often as can be.
        leavesBeside: () => true,
        lease,
        history,
        log,
        timing,
        heard: (at) => clock.heard(at),
        connect: () => connect(WRITER_ANSWER_MS) as unknown as WriterConnection,
      },
      signals,
    );
    const store = new ObservedStore(this.db, this.writer, (source) => {
      this.sources.set(source.runId, source);
      if (mutant === 'ended_call_sleeps') letEndedCallsSleep(source);
    });
    const notifications = world.hints.of(this) as unknown as Notifications;
    this.held = new HeldRuns(signals, lease, timing.monotonic);
    const depth = new QueueDepth(this.db, { perTenant: 10_000, total: 10_000 }, log, timing.monotonic);
    this.queue = new RunQueue(this.db, store, this.held, signals, notifications, lease, depth, log, timing);
    this.inbox = new Inbox(this.db, signals, notifications, this.queue.wake);
    this.approvals = new ApprovalDecisions(this.db, this.inbox);
    const leases = connect(lease.renewEveryMs) as unknown as Connection;
    this.renewal = new LeaseRenewal('', lease, this.held, signals, history, log, timing, leases);
    const settings = { role: 'all', assertMode: 'fail', maxInFlightRuns: scenario.capacity, templateEnv: {} } as unknown as Settings;
    this.worker = new Worker(
      settings,
      log,
      this.queue,
      store,
      new EphemeralRuns(),
      this.held,
      world.playbooksOf(this) as unknown as CompiledPlaybooks,
      new ByteBudget(Infinity),
      signals,
      { next: () => world.newId() } as unknown as IdMint,
      mutant === 'own_clock' ? timing : { ...timing, now: () => clock.now() },
      undefined,
      new SimulatedChildRuns(world, this),
    );
    signals.onSettled((unit, outcome) => {
      if (outcome.kind === 'committed') this.world.checks.committed(this, unit);
    });
  }

  get alive(): boolean {
    return !this.process.dead;
  }

  /** Rejects where the database cannot be reached: then the process would end. */
  async start(): Promise<void> {
    await this.clock.start(this.db);
    this.queue.start();
    this.renewal.start();
    this.worker.start();
  }

  crash(why: string): void {
    if (!this.alive) return;
    this.world.history.note(null, this.process.name, `dies: ${why}`);
    this.process.kill();
    this.network.processDied();
    this.world.died(this);
  }

  /** SIGTERM, as main.ts and the modules go about it. */
  async drain(): Promise<void> {
    if (!this.alive || this.draining) return;
    this.draining = true;
    await this.worker.drain();
    await this.queue.stop();
    await this.writer.close(WRITER_CLOSE_MS);
    await this.renewal.stop();
    this.crash('drained');
  }

  private timing(skewMs: number): Timing {
    const { process } = this;
    const { scheduler } = this.world;
    const random = this.random.fork('timing');
    const after = (ms: number, fire: () => void): (() => void) => process.timer(ms, fire);
    return {
      now: () => Math.floor(EPOCH_MS + scheduler.now + skewMs),
      monotonic: () => process.monotonic(),
      after,
      every: (ms, fire) => {
        let stop = (): void => undefined;
        const arm = (): void => {
          stop = process.timer(ms, () => {
            arm();
            fire();
          });
        };
        arm();
        return () => stop();
      },
      sleep: (ms) => new Promise((resolve) => void after(ms, resolve)),
      random: () => random.next(),
      token: () => `${process.name}-${++this.tokens}`,
    };
  }

  private log(): Log {
    const say = (level: string) => (fields: object, message: string) => {
      const { err, executionId, runId } = fields as { err?: unknown; executionId?: string; runId?: string };
      const why = err instanceof Error ? `: ${err.message}` : '';
      this.world.history.note(executionId ?? runId ?? null, this.process.name, `${level} ${message}${why}`);
      if (level === 'error') this.world.checks.fault(executionId ?? runId ?? null, message, err);
    };
    return { info: say('info'), warn: say('warn'), error: say('error') };
  }
}
