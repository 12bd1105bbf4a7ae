import { EngineError } from '../../src/engine/engine-error.js';
import { type CompiledPlaybook } from '../../src/engine/playbook/compiled.js';
import { type StepContext, type StepResult } from '../../src/engine/step-executor.js';
import { isTerminal } from '../../src/engine/run/events.js';
import { LeaseTerm } from '../../src/storage/lease-term.js';
import { Checks } from './checks.js';
import { Clients } from './clients.js';
import { Effects } from './effects.js';
import { inject } from './faults.js';
import { Hints } from './hints.js';
import { History } from './history.js';
import { type Mutant } from './mutants.js';
import { CALM } from './network.js';
import { perform } from './operations.js';
import { compileProgram } from './programs.js';
import { Random } from './random.js';
import { type Scenario } from './scenario.js';
import { Scheduler, type VirtualProcess } from './scheduler.js';
import { Server } from './server.js';
import { type Change, EPOCH_MS, SimulatedDatabase } from './simulated-database.js';
import { SimulatedNode } from './simulated-node.js';
import { type Plan, simulatedKinds } from './step-kinds.js';

/** A caller may wait for so many called executions one after the other, and each of them may take as long as any. */
const CALLS_IN_A_ROW = 25;
/** What happens after the last execution has ended is looked at for so long. */
const AFTERMATH_MS = 2_500;

/** What a node sees of compiled playbooks. */
interface Playbooks {
  compiledSync(tenant: string, id: string): CompiledPlaybook | null;
  compiled(tenant: string, id: string): Promise<CompiledPlaybook>;
}

/** One simulation: the scenario, everything in it, and what became of it. */
export class World {
  readonly scheduler = new Scheduler();
  readonly random: Random;
  readonly history = new History(() => this.scheduler.now);
  readonly database: SimulatedDatabase;
  readonly server: Server;
  readonly programs: readonly CompiledPlaybook[];
  readonly effects = new Effects(this);
  readonly clients = new Clients(this);
  readonly checks: Checks;
  readonly hints = new Hints(this);
  healed = false;
  private readonly nodes: SimulatedNode[] = [];
  private readonly lives: number[] = [];
  private readonly byProcess = new Map<VirtualProcess, SimulatedNode>();
  private readonly warm = new Map<SimulatedNode, Set<string>>();
  private openRuns = 0;
  private quietSince = 0;
  private tokens = 0;
  private lastId = 100_000;

  constructor(
    readonly scenario: Scenario,
    readonly mutant: Mutant | null = null,
  ) {
    this.random = new Random(scenario.seed, 'world');
    const lease = new LeaseTerm(scenario.leaseMs);
    const clock = (): number => EPOCH_MS + this.scheduler.now;
    this.database = new SimulatedDatabase(
      clock,
      lease,
      () => `c${++this.tokens}`,
      mutant,
      (change) => this.told(change),
    );
    this.server = new Server(this.database, this.scheduler, this.random.fork('server'), lease.lockTimeoutMs);
    const kinds = simulatedKinds(
      (plan: Plan, context: StepContext, effect: boolean): Promise<StepResult> => this.effects.perform(plan, context, effect),
      mutant,
    );
    this.programs = scenario.programs.map((program) => compileProgram(program, kinds, scenario.programs));
    this.checks = new Checks(this);
  }

  /** Runs it to its end. */
  async run(): Promise<History> {
    const { scenario, scheduler } = this;
    for (let index = 0; index < scenario.nodes; index++) this.boot(index);
    for (const operation of scenario.operations) scheduler.at(operation.at, null, () => perform(this, operation));
    for (const fault of scenario.faults) scheduler.at(fault.at, null, () => inject(this, fault));
    scheduler.at(scenario.healAt, null, () => this.heal());
    const last = Math.max(scenario.healAt, ...scenario.operations.map(({ at }) => at));
    const tooLate = last + (1 + CALLS_IN_A_ROW) * (120_000 + 25 * scenario.leaseMs);
    await scheduler.run(() => {
      if (this.history.violations.length > 0 || scheduler.now > tooLate) return true;
      const isQuiet = scheduler.now > last && this.healed && this.openRuns === 0 && this.clients.open === 0;
      if (!isQuiet) this.quietSince = scheduler.now;
      return isQuiet && scheduler.now - this.quietSince > AFTERMATH_MS;
    });
    if (this.history.violations.length === 0) this.checks.final();
    return this.history;
  }

  /** An id that nobody else has. */
  newId(): string {
    return String(++this.lastId);
  }

  /** The newest life of a node; any number names one. */
  node(index: number): SimulatedNode | undefined {
    return this.nodes[index % this.scenario.nodes];
  }

  /** The node whose code runs now. */
  currentNode(): SimulatedNode {
    return this.byProcess.get(this.scheduler.current!)!;
  }

  /** A process of this node begins. */
  boot(index: number): void {
    if (this.nodes[index]?.alive) return;
    const life = (this.lives[index] = (this.lives[index] ?? 0) + 1);
    const random = this.random.fork(`node ${index}.${life}`);
    const skew = this.mutant === 'app_clock' && index === 0 ? this.scenario.leaseMs : 0;
    const node = new SimulatedNode(this, index, life, random, skew + Math.round((random.next() - 0.5) * 2 * this.scenario.skewMs));
    this.nodes[index] = node;
    this.byProcess.set(node.process, node);
    this.scheduler.after(0, node.process, () => {
      this.history.note(null, node.process.name, 'starts');
      node.start().catch(() => {
        node.crash('the database cannot be reached');
        this.scheduler.after(500, null, () => this.boot(index));
      });
    });
  }

  died(node: SimulatedNode): void {
    this.hints.forget(node);
    // Somebody starts it again, in the end at the latest.
    if (this.healed) this.scheduler.after(500, null, () => this.boot(node.index));
  }

  /** Playbooks are read from the database once per life of a node. */
  playbooksOf(node: SimulatedNode): Playbooks {
    const warm = this.warm.get(node) ?? new Set<string>();
    this.warm.set(node, warm);
    return {
      compiledSync: (_tenant, id) => (warm.has(id) ? this.programs[Number(id)]! : null),
      compiled: (_tenant, id) =>
        new Promise((resolve, reject) => {
          if (warm.has(id)) return resolve(this.programs[Number(id)]!);
          this.scheduler.after(node.network.delay() * 2, node.process, () => {
            if (node.network.isCut || !this.server.isUp) return reject(new EngineError('unavailable', 'database_unavailable', 'away'));
            warm.add(id);
            resolve(this.programs[Number(id)]!);
          });
        }),
    };
  }

  private heal(): void {
    this.healed = true;
    this.history.note(null, 'world', 'nothing goes wrong any more');
    if (!this.server.isUp) this.server.restart();
    for (let index = 0; index < this.scenario.nodes; index++) {
      const node = this.nodes[index]!;
      node.network.weather = CALM;
      node.network.isCut = false;
      node.network.onRequest = () => undefined;
      node.process.resume();
      this.boot(index);
    }
    const lookEvery = (): void => {
      this.clients.resumeLeft(0);
      this.scheduler.after(5_000, null, lookEvery);
    };
    lookEvery();
  }

  private told(change: Change): void {
    const { row } = this.database.executions.get(change.id)!;
    if (isTerminal(row.status)) {
      if (change.before === null || !isTerminal(change.before.status)) this.openRuns -= change.before === null ? 0 : 1;
    } else if (change.kind === 'created') this.openRuns += 1;
    this.checks.changed(change);
  }
}

export interface SimulationResult {
  readonly history: History;
  readonly turns: number;
  readonly virtualMs: number;
  readonly executions: number;
  readonly effects: number;
}

/** Simulates a scenario from beginning to end. */
export async function simulate(scenario: Scenario, mutant: Mutant | null = null): Promise<SimulationResult> {
  const world = new World(scenario, mutant);
  const history = await world.run();
  const { scheduler, database, effects } = world;
  return { history, turns: scheduler.turns, virtualMs: scheduler.now, executions: database.executions.size, effects: effects.calls.length };
}
