import { MODE } from '../../src/storage/batch/pending-unit.js';
import { POISON_ATTEMPTS, SUSPECT_ATTEMPTS } from '../../src/storage/claiming/claim.js';
import {
  type BatchAnswer,
  type BatchForm,
  batchForms,
  CALL_PARAMETERS,
  PLAIN_PARAMETERS,
  SELDOM_PARAMETERS,
  UNIT_PARAMETERS,
} from '../../src/storage/batch/batch-statement.js';
import { withDefaults } from '../../src/storage/history/event-defaults.js';
import { STANDARD_LEASE, type LeaseTerm } from '../../src/storage/lease-term.js';
import { isTerminal, type RunStatus } from '../../src/engine/run/events.js';
import { type ApprovalWord, type NewApproval, type UnitApprovals } from '../../src/engine/approvals.js';
import { MemoryApprovals } from '../../src/engine/testing/memory-approvals.js';
import { type Json, type JsonObject } from '../../src/engine/values.js';
import { type Mutant } from './mutants.js';
import { type ExecutionRow, type InboxRow, type Stored } from './tables.js';
import { readArray, type Unnested, StatementColumns } from './statement-columns.js';

/** The moment at which virtual time begins. */
export const EPOCH_MS = Date.UTC(2026, 0, 1);

const formOf = batchForms(STANDARD_LEASE);
const columnsByForm = new Map<BatchForm, StatementColumns>();
/** Which parameter of the statement with calls names the units that call: the sixth of theirs. */
const CALLING = SELDOM_PARAMETERS + 5;
const NO_APPROVALS: ReadonlyMap<string, UnitApprovals[]> = new Map();
const KEY_RETENTION_MS = 24 * 3_600_000;

interface Changed {
  readonly id: string;
  /** Who sent the statement. */
  readonly by: string;
  /** The row before; null where there was none. */
  readonly before: ExecutionRow | null;
}
export interface Written extends Changed {
  readonly kind: 'created' | 'unit';
  readonly token: string | null;
  readonly mode: number;
  /** How many events it appended. */
  readonly events: number;
}
export interface Claimed extends Changed {
  readonly kind: 'claimed' | 'swept';
  readonly token: string;
  readonly before: ExecutionRow;
}
interface GivenBack extends Changed {
  readonly kind: 'given_back';
  readonly token: string;
}
interface Delivered extends Changed {
  readonly kind: 'delivered';
  readonly message: InboxRow;
}

/** What a statement changed, told right after its commit. */
export type Change = Written | Claimed | GivenBack | Delivered;

/** What a statement will do at its commit, and what it answers. */
export interface Effect<Answer> {
  readonly answer: Answer;
  /** Applies the changes; null where there are none. */
  readonly commit: (() => void) | null;
  /** Names of rows that the statement locks without waiting. */
  readonly locks?: readonly string[];
  /** SQLSTATE with which the statement fails instead. */
  readonly refused?: string;
}

/**
 * The tables and what the service's statements do to them, one function per statement, each evaluated at a single moment under the locks it
 * needs. It says what the SQL of src/storage says; that it does is what the RunStore conformance suite asks of both.
 */
export class SimulatedDatabase {
  readonly executions = new Map<string, Stored>();
  private readonly keys = new Map<string, { fingerprint: string; executionId: string; expiresAt: number }>();
  /** Epoch ms at which the server was started last. */
  startedAt = EPOCH_MS - 3_600_000;

  constructor(
    /** Epoch ms of the database's clock. */
    readonly clock: () => number,
    private readonly lease: LeaseTerm,
    private readonly newToken: () => string,
    private readonly mutant: Mutant | null = null,
    private readonly told: (change: Change) => void = () => undefined,
  ) {}

  /** Whose clock claims go by. */
  get claimsBy(): 'database' | 'node' {
    return this.mutant === 'app_clock' ? 'node' : 'database';
  }

  /** timestamptz(3) */
  now(): number {
    return Math.floor(this.clock());
  }

  /** Names of the rows a batch waits for. */
  batchLocks(parameters: readonly string[]): string[] {
    const columns = columnsOf(parameters);
    return [
      ...columns.rows(parameters, 'expected', 'ord').map(({ id }) => id!),
      ...createsIn(parameters).map(({ id }) => id!),
      ...keysOf(parameters).map(keyName),
      ...(hasApprovals(parameters) ? columns.rows(parameters, 'ended_step').map(({ ended }) => lockOfApprovals(ended)) : []),
    ];
  }

  /** batch-statement.ts */
  batch(parameters: readonly string[], by: string): Effect<BatchAnswer> {
    const now = this.now();
    const columns = columnsOf(parameters);
    const calls = parameters.length > SELDOM_PARAMETERS;
    const calling = new Set(calls ? readArray(parameters[CALLING]!) : []);
    const locked = columns.rows(parameters, 'expected', 'ord').filter((unit) => this.passes(unit, calling));
    // PostgreSQL would silently do only one of two changes (D3).
    if (new Set(locked.map(({ id }) => id)).size < locked.length) throw new Error('a statement writes a row twice');
    const fenced = locked.filter(({ mode }) => Number(mode) !== MODE.told);
    const passed = new Set(fenced.map(({ ord }) => ord!));
    const denied = keysOf(parameters).filter((key) => {
      const known = this.keys.get(keyName(key));
      return known !== undefined && known.expiresAt > now && known.executionId !== key['id'];
    });
    if (calls) {
      const callers = new Set(denied.map(({ id }) => id));
      denied.push(...columns.rows(parameters, 'id', 'caller').filter(({ caller }) => callers.has(caller!)));
    }
    const isDenied = new Set(denied.map(({ id }) => id));
    const created = createsIn(parameters).filter(({ id, ord = null }) => !isDenied.has(id!) && (ord === null || passed.has(ord)));
    const told = calls
      ? columns
          .rows(parameters, 'parent', 'ord', 'payload')
          .filter(({ ord, parent }) => passed.has(ord!) && locked.some((row) => row['id'] === parent && Number(row['mode']) === MODE.told))
      : [];
    const payloads = new Map(columns.rows(parameters, 'parameters', 'workload', 'result').map((payload) => [placeOf(payload), payload]));
    const snapshots = new Map(
      hasSeldom(parameters) ? columns.rows(parameters, 'ord', 'tenant', 'state').map((snapshot) => [snapshot['ord']!, snapshot]) : [],
    );
    const events = Map.groupBy(columns.rows(parameters, 'seq', 'type', 'body'), placeOf);
    const times = new Map(fenced.map((unit) => [unit['ord']!, Math.max(now, this.row(unit['id']!).updated_at)]));
    const late = [...times].filter(([, at]) => at > now);
    const unheard = this.mutant === 'commit_hides_cancel' ? [] : fenced.filter((unit) => this.isUnheard(unit));
    const answer: BatchAnswer = {
      passed: fenced.length > 0 ? fenced.map(({ ord }) => Number(ord)) : null,
      unheard: unheard.length > 0 ? unheard.map(({ ord }) => Number(ord)) : null,
      denied: denied.length > 0 ? denied.map(({ id }) => id!) : null,
      at: now,
      late_at: late.length > 0 ? Object.fromEntries(late) : null,
    };
    if (created.some((unit) => this.executions.has(unit['id']!) || this.isCalled(unit))) return { answer, commit: null, refused: '23505' };
    if (fenced.some((unit) => this.repeatsSeq(unit, events.get(placeOf(unit)) ?? []))) return { answer, commit: null, refused: '23505' };
    const approvals = hasApprovals(parameters) ? this.approvalsIn(parameters) : NO_APPROVALS;
    const commit = (): void => {
      for (const key of keysOf(parameters)) {
        if (!isDenied.has(key['id']!)) {
          this.keys.set(keyName(key), { fingerprint: key['fingerprint']!, executionId: key['id']!, expiresAt: now + KEY_RETENTION_MS });
        }
      }
      for (const unit of fenced) {
        const place = placeOf(unit);
        this.approve(unit['id']!, approvals.get(place));
        if (hasSeldom(parameters)) this.forget(unit);
        this.append(unit, events.get(place) ?? [], payloads.get(place), snapshots.get(unit['ord']!), times.get(unit['ord']!)!, by);
      }
      for (const unit of created) {
        const place = placeOf(unit);
        const opened = (approvals.get(place) ?? []).reduce((all, each) => all.withUnit(each), MemoryApprovals.NONE);
        this.create(unit, events.get(place) ?? [], payloads.get(place), now, by, columns, opened);
      }
      for (const { parent, payload } of told) this.tell(parent!, JSON.parse(payload!) as JsonObject, by);
    };
    return { answer, commit };
  }

  /** approval-parts.ts: what each unit opens and closes, by its place. */
  private approvalsIn(parameters: readonly string[]): Map<string, UnitApprovals[]> {
    const columns = columnsOf(parameters);
    const units = new Map<string, UnitApprovals[]>();
    const add = (place: string, part: Partial<UnitApprovals>): void =>
      void units.set(place, [...(units.get(place) ?? []), { opens: [], closes: [], closesAll: false, ...part }]);
    for (const { execution, request, ord } of columns.rows(parameters, 'request'))
      add(placeOf({ id: execution!, ord: ord ?? null }), { opens: [JSON.parse(request!) as NewApproval] });
    if (this.mutant === 'approvals_stay_open') return units;
    for (const { ended, ended_step: step, ended_wave: wave, ord } of columns.rows(parameters, 'ended_step')) {
      const closes = step === null ? [] : [{ step: step!, wave: Number(wave) }];
      add(placeOf({ id: ended!, ord: ord! }), { closes, closesAll: step === null });
    }
    return units;
  }

  /** approval-decisions.ts, DECIDE */
  decide(values: readonly unknown[], by: string): Effect<object[]> {
    const [id, tenant, approvalId, subject, decision, comment, data] = values as [
      string,
      string,
      string,
      string,
      ApprovalWord,
      string | null,
      string,
    ];
    const stored = this.executions.get(id);
    if (stored?.row.tenant_id !== tenant || !stored.approvals.all.some((each) => each.id === approvalId))
      return { answer: [], commit: null };
    const at = new Date(this.now()).toISOString();
    const wanted = { by: subject, decision, comment, data: JSON.parse(data) as Json, at };
    const { verdict, then, told } = stored.approvals.decide(approvalId, wanted, this.clock());
    const { row } = stored;
    const answer = [{ verdict, held: row.lease_token !== null }];
    if (!told) return { answer, commit: null };
    const now = this.clock();
    const message: InboxRow = { inbox_seq: row.inbox_seq + 1, kind: 'approval', payload: told as unknown as JsonObject };
    const commit = (): void => {
      stored.approvals = then;
      stored.inbox.push(message);
      this.update(id, { inbox_seq: message.inbox_seq, wake_at: row.wake_at === null ? now : Math.min(row.wake_at, now) });
      this.told({ kind: 'delivered', id, by, message, before: row });
    };
    return { answer, commit };
  }

  /** approval-decisions.ts, EXPIRE */
  expire([id, step, wave, tenant]: readonly unknown[]): Effect<object[]> {
    const stored = this.executions.get(String(id));
    if (!stored || stored.row.tenant_id !== tenant) return { answer: [], commit: null };
    const now = this.clock();
    const { state, then } = stored.approvals.expire(String(step), Number(wave), now);
    // Others may be opened until then.
    const expire = (): void => void (stored.approvals = stored.approvals.expire(String(step), Number(wave), now).then);
    const commit = then === stored.approvals ? null : expire;
    const said = this.mutant === 'expiry_decides_alone' ? 'expired' : state;
    return { answer: state === null ? [] : [{ state: said }], commit };
  }

  /** outcome-unknown.ts, PROBE_CREATES: ids that no execution has. */
  absent(ids: readonly string[]): { id: string }[] {
    return ids.filter((id) => !this.executions.has(id)).map((id) => ({ id }));
  }

  /** outcome-unknown.ts, READ_ROWS */
  readRows(ids: readonly string[], expected: readonly string[], next: readonly string[]): object[] {
    return ids.flatMap((id, index) => {
      const stored = this.executions.get(id);
      if (!stored) return [];
      const events = stored.events.filter(({ seq }) => seq > Number(expected[index]) && seq <= Number(next[index]));
      const { lease_token, last_seq, inbox_seq, cancel_requested_at, updated_at } = stored.row;
      const at = events.at(-1)?.at ?? updated_at;
      return [
        {
          id,
          lease_token,
          last_seq,
          inbox_seq,
          cancelling: cancel_requested_at !== null,
          at,
          events: events.map(({ event_type, step, body }) => [event_type, ...(step === null ? [] : [step]), body].join('\x1f')),
        },
      ];
    });
  }

  /** claim.ts, due rows without a holder. @param clock epoch ms that the statement goes by */
  claimDue(limit: number, excluded: readonly string[], by: string, isLocked: (id: string) => boolean, clock: number): Effect<object[]> {
    const due = [...this.executions.values()]
      .map(({ row }) => row)
      .filter(
        (row) =>
          row.lease_token === null && row.wake_at !== null && row.wake_at <= clock && !excluded.includes(row.id) && !isLocked(row.id),
      )
      .sort((a, b) => a.wake_at! - b.wake_at!)
      .slice(0, limit);
    return this.claim(due, 'claimed', 0, by);
  }

  /** claim.ts, rows whose leases have expired. */
  sweep(
    limit: number,
    excluded: readonly string[],
    suspectToo: boolean,
    by: string,
    isLocked: (id: string) => boolean,
    clock: number,
  ): Effect<object[]> {
    if (this.mutant === 'sweep_skips_expired' || clock <= this.startedAt + this.lease.ms) return { answer: [], commit: null };
    const expired = [...this.executions.values()]
      .map(({ row }) => row)
      .filter((row) => row.lease_token !== null && row.lease_until! < clock && !excluded.includes(row.id) && !isLocked(row.id))
      .sort((a, b) => Number(a.id) - Number(b.id));
    const isSuspect = ({ attempts }: ExecutionRow): boolean => attempts + 1 >= SUSPECT_ATTEMPTS && attempts + 1 <= POISON_ATTEMPTS - 1;
    const over = expired.filter(({ attempts }) => attempts + 1 >= POISON_ATTEMPTS).slice(0, limit);
    if (over.length > 0) return this.claim(over, 'swept', 1, by);
    const plain = expired.filter((row) => !isSuspect(row)).slice(0, limit);
    const suspects = suspectToo ? expired.filter(isSuspect).slice(0, 1) : [];
    return this.claim([...plain, ...suspects], 'swept', 1, by);
  }

  /** claim.ts, GIVE_BACK */
  giveBack(
    ids: readonly string[],
    tokens: readonly string[],
    afterMs: readonly number[],
    attempts: readonly (number | null)[],
    by: string,
  ): Effect<object[]> {
    const now = this.clock();
    const mine = ids.flatMap((id, index) => (this.executions.get(id)?.row.lease_token === tokens[index] ? [index] : []));
    const commit = (): void => {
      for (const index of mine) {
        const id = ids[index]!;
        const before = this.row(id);
        const at = now + afterMs[index]!;
        const wakeAt = before.wake_at === null ? at : Math.min(before.wake_at, at);
        this.update(id, { lease_token: null, lease_until: null, attempts: attempts[index] ?? before.attempts, wake_at: wakeAt });
        this.told({ kind: 'given_back', id, by, token: before.lease_token!, before });
      }
    };
    return { answer: [], commit: mine.length > 0 ? commit : null };
  }

  /** snapshots.ts, readSnapshots */
  snapshots(ids: readonly string[]): object[] {
    return ids.flatMap((id) => {
      const snapshot = this.executions.get(id)?.snapshot;
      return snapshot ? [{ execution_id: id, ...structuredClone(snapshot) }] : [];
    });
  }

  /** queue-depth.ts */
  queued(): object[] {
    const pending = [...this.executions.values()].filter(({ row }) => row.status === 'pending');
    return [...Map.groupBy(pending, ({ row }) => row.tenant_id)].map(([tenant, { length }]) => ({ tenant, queued: String(length) }));
  }

  /** claim.ts, readEvents: those after `seq`. */
  events(ids: readonly string[], after = 0): object[] {
    return ids.flatMap((id) =>
      (this.executions.get(id)?.events ?? []).slice(after).map(({ seq, event_type, step, body }) => ({
        execution_id: id,
        seq,
        event_type,
        step,
        body: JSON.parse(body) as object,
      })),
    );
  }

  /** claim.ts, the payload beside the events. */
  payloads(ids: readonly string[]): object[] {
    return ids.flatMap((id) => {
      const stored = this.executions.get(id);
      return stored ? [{ execution_id: id, parameters: stored.parameters, workload: stored.workload }] : [];
    });
  }

  /** lease-renewal.ts: the renewing statement. */
  renew(ids: readonly string[], tokens: readonly string[], isLocked: (id: string) => boolean): Effect<object[]> {
    const mine = ids.filter((id, index) => this.executions.get(id)?.row.lease_token === tokens[index] && !isLocked(id));
    const until = this.clock() + this.lease.ms;
    const commit = (): void => mine.forEach((id) => this.update(id, { lease_until: until }));
    return { answer: this.inboxes(mine), commit: mine.length > 0 ? commit : null, locks: mine };
  }

  /** lease-renewal.ts: the question for inboxes. */
  inboxes(ids: readonly string[]): object[] {
    return ids.flatMap((id) => (this.executions.has(id) ? [{ id, inbox_seq: this.row(id).inbox_seq }] : []));
  }

  /** inbox.ts, DELIVER */
  deliver(id: string, tenant: string, kind: string, payload: string, by: string): Effect<object[]> {
    const stored = this.executions.get(id);
    if (stored?.row.tenant_id !== tenant) return { answer: [], commit: null };
    const { row } = stored;
    const held = row.lease_token !== null;
    const cancel = kind === 'cancel';
    const content = JSON.parse(payload) as JsonObject;
    const isAlready =
      kind === 'cancel'
        ? row.cancel_requested_at !== null && content['force'] !== true
        : kind === 'pause'
          ? row.pause_requested_at !== null
          : kind === 'resume' && row.pause_requested_at === null;
    if (isTerminal(row.status) || isAlready) {
      return { answer: [{ status: row.status, held, inbox_seq: null }], commit: null };
    }
    const now = this.clock();
    const message: InboxRow = { inbox_seq: row.inbox_seq + 1, kind, payload: content };
    const commit = (): void => {
      stored.inbox.push(message);
      this.update(id, {
        inbox_seq: message.inbox_seq,
        wake_at: row.wake_at === null ? now : Math.min(row.wake_at, now),
        cancel_requested_at: cancel ? now : row.cancel_requested_at,
        pause_requested_at: kind === 'pause' ? now : kind === 'resume' ? null : row.pause_requested_at,
      });
      this.told({ kind: 'delivered', id, by, message, before: row });
    };
    return { answer: [{ status: row.status, held, inbox_seq: message.inbox_seq }], commit };
  }

  /** inbox-reads.ts */
  inboxesAbove(ids: readonly string[], tenants: readonly string[], afters: readonly string[]): object[] {
    return ids.flatMap((id, index) => {
      const stored = this.executions.get(id);
      if (stored === undefined || stored.row.tenant_id !== tenants[index]) return [];
      return stored.inbox
        .filter(({ inbox_seq }) => inbox_seq > Number(afters[index]))
        .map((message) => ({ ord: String(index + 1), ...message }));
    });
  }

  /** The execution of an idempotency key. */
  executionOfKey(tenant: string, key: string): string | null {
    const known = this.keys.get(`key ${tenant} ${key}`);
    return known && known.expiresAt > this.now() ? known.executionId : null;
  }

  /** How an execution stands. */
  outcome(id: string): object[] {
    const stored = this.executions.get(id);
    return stored ? [{ status: stored.row.status, result: stored.result ?? null, error: stored.row['error'] }] : [];
  }

  /** What a run has called that is not over. */
  liveCalledBy(id: string): object[] {
    const rows = [...this.executions.values()].map(({ row }) => row);
    return rows.filter((row) => row['parent_run_id'] === id && !isTerminal(row.status)).map((row) => ({ id: row['id'] }));
  }

  row(id: string): ExecutionRow {
    return this.executions.get(id)!.row;
  }

  private passes(unit: Unnested, calling: ReadonlySet<string | null>): boolean {
    const row = this.executions.get(unit['id']!)?.row;
    if (!row) return false;
    const mode = Number(unit['mode']);
    if (mode === MODE.told) return !isTerminal(row.status);
    if (calling.has(unit['ord']!) && row.cancel_requested_at !== null) return false;
    if (this.mutant !== 'no_token' && row.lease_token !== unit['token']) return false;
    if (this.mutant !== 'no_last_seq' && row.last_seq !== Number(unit['expected'])) return false;
    if (mode === MODE.ended && this.mutant === 'end_ignores_cancel') return true;
    const asksInbox = mode !== MODE.held && !(mode === MODE.released && this.mutant === 'release_ignores_inbox');
    if (asksInbox && row.inbox_seq !== Number(unit['seen'])) return false;
    return mode !== MODE.ended || unit['status'] === 'cancelled' || row.cancel_requested_at === null;
  }

  private isUnheard({ id, seen }: Unnested): boolean {
    const row = this.row(id!);
    return row.cancel_requested_at !== null && row.inbox_seq > Number(seen);
  }

  /** The primary key of events. */
  private repeatsSeq(unit: Unnested, events: readonly Unnested[]): boolean {
    if (this.mutant === 'no_last_seq') return false;
    const stored = this.executions.get(unit['id']!)!.events;
    // Rows are stored in the order of their numbers (C9): what comes after the last one repeats none.
    const last = stored.at(-1)?.seq ?? 0;
    return events.some(({ seq }) => Number(seq) <= last && stored.some((event) => event.seq === Number(seq)));
  }

  private approve(id: string, parts: readonly UnitApprovals[] = []): void {
    const stored = this.executions.get(id)!;
    for (const part of parts) stored.approvals = stored.approvals.withUnit(part);
  }

  private append(
    unit: Unnested,
    events: readonly Unnested[],
    payload: Unnested | undefined,
    snapshot: Unnested | undefined,
    at: number,
    by: string,
  ): void {
    const id = unit['id']!;
    const before = this.row(id);
    const mode = Number(unit['mode']);
    const isHeld = mode === MODE.held;
    this.update(id, {
      last_seq: Number(unit['next_seq']),
      ...stateOf(unit),
      updated_at: at,
      ended_at: mode === MODE.ended ? at : null,
      lease_token: isHeld ? before.lease_token : null,
      lease_until: isHeld ? this.clock() + this.lease.ms : null,
      wake_at: isHeld ? before.wake_at : mode === MODE.released ? numberOf(unit['wake_ms']) : null,
      inbox_consumed: Number(unit['seen']),
      attempts: unit['recorded'] === 'true' || !isHeld ? 0 : before.attempts,
    });
    this.store(id, events, payload, at);
    const stored = this.executions.get(id)!;
    if (snapshot) stored.snapshot = { seq: Number(unit['next_seq']), state: jsonOf(snapshot['state']) };
    this.told({ kind: 'unit', id, by, token: unit['token'] ?? null, mode, events: events.length, before });
  }

  /** seldom-parts.ts: messages that were read, and what a run that has ended was to go on from. */
  private forget(unit: Unnested): void {
    const stored = this.executions.get(unit['id']!)!;
    stored.inbox = stored.inbox.filter(({ inbox_seq }) => inbox_seq > Number(unit['seen']));
    if (Number(unit['mode']) === MODE.ended) stored.snapshot = null;
  }

  private create(
    unit: Unnested,
    events: readonly Unnested[],
    payload: Unnested | undefined,
    now: number,
    by: string,
    columns: StatementColumns,
    approvals: MemoryApprovals,
  ): void {
    const id = unit['id']!;
    const mode = Number(unit['mode']);
    const isHeld = mode === MODE.held;
    const plain = Object.fromEntries([...columns.plainColumns].map(([column, name]) => [column, unit[name] ?? null]));
    const row: ExecutionRow = {
      ...plain,
      id,
      tenant_id: unit['tenant']!,
      merge: unit['merge'] === 'true',
      metadata: jsonOf(unit['metadata']) as JsonObject | null,
      ...stateOf(unit),
      parent_wave: numberOf(unit['parent_wave']),
      lineage: jsonOf(unit['lineage']),
      priority: numberOf(unit['priority']) ?? 0,
      start_at: numberOf(unit['start_ms']),
      expires_at: null,
      timeout_at: numberOf(unit['timeout_ms']),
      created_at: now,
      updated_at: now,
      ended_at: mode === MODE.ended ? now : null,
      lease_token: isHeld ? unit['token']! : null,
      lease_until: isHeld ? this.clock() + this.lease.ms : null,
      claim_no: mode === MODE.unleased ? 0 : 1,
      last_seq: Number(unit['next_seq']),
      inbox_seq: 0,
      inbox_consumed: Number(unit['seen']),
      wake_at:
        mode === MODE.released
          ? numberOf(unit['wake_ms'])
          : mode === MODE.unleased
            ? Math.max(numberOf(unit['start_ms']) ?? now, now)
            : null,
      cancel_requested_at: null,
      pause_requested_at: null,
      attempts: 0,
    };
    this.executions.set(id, {
      row,
      events: [],
      inbox: [],
      approvals,
      snapshot: null,
      parameters: (jsonOf(payload?.['parameters']) ?? {}) as JsonObject,
      workload: jsonOf(payload?.['workload']) as JsonObject | null,
      result: undefined,
    });
    this.store(id, events, payload, now);
    this.told({ kind: 'created', id, by, token: unit['token'] ?? null, mode, events: events.length, before: null });
  }

  /** The unique index over called runs. */
  private isCalled(unit: Unnested): boolean {
    const parent = unit['parent_run'] ?? null;
    if (parent === null) return false;
    const isSame = ({ row }: Stored): boolean =>
      row['parent_run_id'] === parent &&
      row['parent_step'] === unit['parent_step'] &&
      row['parent_wave'] === numberOf(unit['parent_wave']) &&
      (row['parent_item'] ?? null) === (unit['parent_item'] ?? null);
    return [...this.executions.values()].some(isSame);
  }

  /** A called run has ended, in the same transaction. */
  private tell(id: string, payload: JsonObject, by: string): void {
    const stored = this.executions.get(id)!;
    const before = stored.row;
    const message: InboxRow = { inbox_seq: before.inbox_seq + 1, kind: 'child_ended', payload };
    stored.inbox.push(message);
    const now = this.clock();
    this.update(id, {
      inbox_seq: message.inbox_seq,
      wake_at: before.lease_token !== null ? before.wake_at : before.wake_at === null ? now : Math.min(before.wake_at, now),
    });
    this.told({ kind: 'delivered', id, by, message, before });
  }

  private store(id: string, events: readonly Unnested[], payload: Unnested | undefined, at: number): void {
    const stored = this.executions.get(id)!;
    for (const event of events) {
      stored.events.push({
        seq: Number(event['seq']),
        event_type: event['type']!,
        step: event['step'] ?? null,
        body: event['body']!,
        content: withDefaults(event['type']!, JSON.parse(event['body']!) as JsonObject),
        at,
      });
    }
    if (isTerminal(stored.row.status)) stored.result = jsonOf(payload?.['result']);
  }

  private claim(rows: readonly ExecutionRow[], kind: 'claimed' | 'swept', counts: number, by: string): Effect<object[]> {
    const until = this.clock() + this.lease.ms;
    const changed = rows.map((before) => ({
      before,
      after: {
        ...before,
        lease_token: this.newToken(),
        lease_until: until,
        claim_no: before.claim_no + 1,
        attempts: before.attempts + counts,
        wake_at: null,
      } satisfies ExecutionRow,
    }));
    const commit = (): void => {
      for (const { before, after } of changed) {
        this.executions.get(before.id)!.row = after;
        this.told({ kind, id: before.id, by, token: after.lease_token, before });
      }
    };
    const hidesInbox = this.mutant === 'claim_hides_inbox';
    return {
      answer: changed.map(({ after }) => claimedRow(hidesInbox ? { ...after, inbox_seq: after.inbox_consumed } : after)),
      commit: rows.length > 0 ? commit : null,
      locks: rows.map(({ id }) => id),
    };
  }

  private update(id: string, changes: Partial<ExecutionRow>): void {
    const stored = this.executions.get(id)!;
    stored.row = { ...stored.row, ...changes };
  }
}

/** As the driver gives a row: times as dates. */
function claimedRow(row: ExecutionRow): object {
  const dateOf = (time: number | null): Date | null => (time === null ? null : new Date(time));
  const { created_at, start_at, timeout_at } = row;
  return { ...row, created_at: new Date(created_at), start_at: dateOf(start_at), timeout_at: dateOf(timeout_at) };
}

/** Columns of the row that every unit writes. */
function stateOf(unit: Unnested): Pick<ExecutionRow, 'status'> & Record<string, unknown> {
  return {
    status: unit['status'] as RunStatus,
    progress: Number(unit['progress']),
    current_step: unit['step'] ?? null,
    waiting_for: jsonOf(unit['waiting_for']),
    error: jsonOf(unit['error']),
  };
}

/** Rows of one unit belong together by its ordinal and id: those of a create have no ordinal, those of a called run have its caller's. */
const placeOf = (row: Unnested): string => `${row['ord'] ?? 'new'} ${row['id']}`;
const createsIn = (parameters: readonly string[]): readonly Unnested[] =>
  parameters.length > UNIT_PARAMETERS ? columnsOf(parameters).rows(parameters, 'catalog', 'digest') : [];
const hasSeldom = ({ length }: readonly string[]): boolean => length > PLAIN_PARAMETERS;
const keysOf = (parameters: readonly string[]): readonly Unnested[] =>
  hasSeldom(parameters) ? columnsOf(parameters).rows(parameters, 'fingerprint', 'key') : [];
const hasApprovals = ({ length }: readonly string[]): boolean => length > CALL_PARAMETERS;
function columnsOf(parameters: readonly string[]): StatementColumns {
  const form = formOf(parameters);
  let columns = columnsByForm.get(form);
  if (columns === undefined) columnsByForm.set(form, (columns = new StatementColumns(form.text)));
  return columns;
}
/** One name for all approvals of an execution. */
export const lockOfApprovals = (id: unknown): string => `approvals of ${String(id)}`;
const keyName = (key: Unnested): string => `key ${key['tenant']} ${key['key']}`;
const jsonOf = (text: string | null | undefined): Json => (text === null || text === undefined ? null : (JSON.parse(text) as Json));
const numberOf = (text: string | null | undefined): number | null => (text === null || text === undefined ? null : Number(text));
