/** Everything the checks look at, of one round. */
export class Facts {
  /** id -> { row, events, calls, prediction, children }; `children`: ids of the executions that it called */
  executions = new Map();
  violations = [];
  /** Figures for the report. */
  notes = {};

  /**
   * @param {{ database: import('../world/database.mjs').Database, label: string, playbooks: Map<string, import('../generator/playbook.mjs').Playbook>,
   *   calls: object[], history: object[], windows: object[], stalls: object[], leaseMs: number }} sources
   */
  static async gather(sources) {
    const facts = new Facts();
    Object.assign(facts, sources);
    const { database, label } = sources;
    const mine = `SELECT id FROM execution WHERE path LIKE 'chaos/${label}/%'`;
    for (const row of await database.readPatiently(EXECUTIONS, [`chaos/${label}/%`])) {
      const playbook = sources.playbooks.get(`${row.path}@${row.version}`);
      const prediction = playbook?.predict({ n: row.n, blob: 'b'.repeat(row.size) }) ?? null;
      facts.executions.set(row.id, { row, events: [], calls: [], prediction, children: [] });
    }
    for (const [id, { row }] of facts.executions) facts.executions.get(row.parent)?.children.push(id);
    for (const event of await database.readPatiently(EVENTS(mine))) facts.executions.get(event.execution)?.events.push(event);
    facts.keys = await database.readPatiently(
      `SELECT key, execution_id::text AS execution FROM idempotency_key WHERE execution_id IN (${mine})`,
    );
    /** Calls in the name of executions that are not stored. */
    facts.strayCalls = [];
    for (const call of sources.calls) (facts.executions.get(call.execution)?.calls ?? facts.strayCalls).push(call);
    return facts;
  }

  /** @param {string} check letter of the check @param {string | null} execution @param {string} message @param {object} [evidence] */
  violation(check, execution, message, evidence = {}) {
    this.violations.push({ check, execution, message, evidence });
  }

  /** Those that the execution called, and those that they called, each with how deep. @returns {{ id: string, depth: number }[]} */
  calledBy(id, depth = 1) {
    const { children } = this.executions.get(id);
    return children.flatMap((child) => [{ id: child, depth }, ...this.calledBy(child, depth + 1)]);
  }

  /** The execution itself, and those by which it was called. */
  callersOf(id) {
    const { row } = this.executions.get(id);
    return [id, ...(this.executions.has(row.parent) ? this.callersOf(row.parent) : [])];
  }

  /** What its caller says of a join that went on without it; undefined where none did, or nobody called it. */
  lostAt({ parent, parent_step: step, parent_wave: wave }) {
    return this.executions
      .get(parent)
      ?.events.find((event) => event.type === 'step_skipped' && event.reason === 'join' && event.step === step && event.wave === wave)?.at;
  }

  /** Whether faults ended something that it called, so that the model no longer knows what became of it. */
  isDisturbed(id) {
    return this.calledBy(id).some(({ id: called }) => this.executions.get(called).row.error?.code === 'poison');
  }

  lines(op, phase) {
    return this.history.filter((line) => line.op === op && line.phase === phase);
  }

  /** Faults whose harm, with what it leaves behind for a while, meets a span of time (epoch milliseconds). */
  faultsBetween(from, to) {
    const after = 3 * this.leaseMs + 2_000;
    const stalls = this.stalls.map((stall) => ({ ...stall, name: 'stall' }));
    return [...this.windows, ...stalls].filter(({ wall, until }) => wall <= to && until + after >= from);
  }

  /** How late something between two moments may be: what the protocol needs itself, and the time in which faults kept it off. */
  toleranceMs(from, to) {
    const after = 3 * this.leaseMs + 2_000;
    const spans = this.faultsBetween(from, to).map(({ wall, until }) => [Math.max(wall, from), Math.min(until + after, to)]);
    spans.sort((a, b) => a[0] - b[0]);
    let disturbed = 0;
    let reached = from;
    for (const [begin, end] of spans) {
      disturbed += Math.max(0, end - Math.max(begin, reached));
      reached = Math.max(reached, end);
    }
    return 2 * this.leaseMs + 8_000 + disturbed;
  }
}

const EXECUTIONS = `
  SELECT e.id::text, e.path, e.version, e.status, e.progress, e.metadata->>'op' AS op, e.error, e.claim_no, e.last_seq, e.inbox_seq, e.inbox_consumed,
    e.attempts, e.lease_token, e.wake_at, e.lease_until, (extract(epoch FROM e.created_at) * 1000)::float8 AS created,
    (extract(epoch FROM e.ended_at) * 1000)::float8 AS ended, (extract(epoch FROM e.cancel_requested_at) * 1000)::float8 AS cancel_requested,
    e.parent_run_id::text AS parent, e.parent_step, e.parent_wave, e.parent_item, (p.parameters->>'n')::int AS n, length(p.parameters->>'blob') AS size, r.result
  FROM execution e
  LEFT JOIN execution_payload p ON p.execution_id = e.id AND p.part = 0
  LEFT JOIN LATERAL (SELECT coalesce(x.result, b.body) AS result FROM execution_payload x
    LEFT JOIN execution_blob b ON b.execution_id = e.id AND b.seq = x.result_seq AND b.part = x.result_part
    WHERE x.execution_id = e.id AND coalesce(x.result, b.body) IS NOT NULL LIMIT 1) r ON true
  WHERE e.path LIKE $1`;

const EVENTS = (ids) => `
  SELECT execution_id::text AS execution, seq, event_type AS type, step, (extract(epoch FROM at) * 1000)::float8 AS at, coalesce(body->>'wave', '1')::int AS wave,
    coalesce(body->>'attempt', '1')::int AS attempt, coalesce(body#>>'{value,data,call}', body#>>'{acted,end,value,data,call}')::int AS call, (body#>>'{acted,end,ok}')::boolean AS acted, coalesce(body->>'dueAt', '0')::float8 AS due, (body->>'delayMs')::float8 AS delay,
    (body->>'handled')::boolean AS handled, body->>'path' AS path, body->>'childId' AS child, body->>'status' AS status, body->>'reason' AS reason, body#>>'{waitsFor,approval,id}' AS approval, body->'saves' AS saves, body->'firings' AS firings,
    CASE WHEN event_type IN ('action_started', 'action_completed') THEN (SELECT json_agg(json_build_object('path', part->>'path',
      'attempt', (part->>'attempt')::int, 'acted', coalesce((part->>'acted')::boolean, false), 'call', (part#>>'{end,value,data,call}')::int))
      FROM json_array_elements(body->'parts') part) END AS parts,
    CASE WHEN event_type = 'loop_iteration' THEN (SELECT json_agg(json_build_object('index', (item->>'index')::int, 'call', (item#>>'{end,value,data,call}')::int))
      FROM json_array_elements(body->'items') item) END AS items
  FROM execution_event WHERE execution_id IN (${ids}) ORDER BY execution_id, seq`;
