// The bare ceiling: node:http, one multi-row insert and one multi-row completion per batch, on durable tables with rows like ours
// (execution, payload, four events). No framework, no validation, no engine. argv: database url. Prints its port.
import http from 'node:http';
import pg from 'pg';

const db = new pg.Client({ connectionString: process.argv[2] });
await db.connect();
await db.query(`DROP TABLE IF EXISTS ceiling_event, ceiling_payload, ceiling_execution`);
await db.query(
  `CREATE TABLE ceiling_execution (id bigint PRIMARY KEY, tenant_id text, path text, version text, status text, progress int, metadata jsonb, created_at timestamptz, ended_at timestamptz) WITH (fillfactor = 70)`,
);
await db.query(`CREATE TABLE ceiling_payload (execution_id bigint PRIMARY KEY, parameters json, result json)`);
await db.query(
  `CREATE TABLE ceiling_event (execution_id bigint, seq int, event_type text, at timestamptz, body json, PRIMARY KEY (execution_id, seq))`,
);

const CREATE = {
  name: 'create',
  text: `WITH x AS (SELECT * FROM unnest($1::bigint[], $2::text[]) AS u(id, parameters)),
    e AS (INSERT INTO ceiling_execution SELECT id, 'default', 'bench/hello', '1.0.0', 'running', 0, '{"triggered_by":"scheduler","priority":"high"}', clock_timestamp(), NULL FROM x)
    INSERT INTO ceiling_payload SELECT id, parameters::json, NULL FROM x`,
};
const COMPLETE = {
  name: 'complete',
  text: `WITH x AS (SELECT * FROM unnest($1::bigint[], $2::text[]) AS u(id, result)),
    e AS (UPDATE ceiling_execution c SET status = 'completed', progress = 100, ended_at = clock_timestamp() FROM x WHERE c.id = x.id),
    p AS (UPDATE ceiling_payload c SET result = x.result::json FROM x WHERE c.execution_id = x.id)
    INSERT INTO ceiling_event SELECT x.id, n, 'step_completed', clock_timestamp(), x.result::json FROM x, generate_series(1, 4) n`,
};
await db.query('SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off');

let nextId = 1;
let creating = [];
let completing = [];
let busy = false;

async function pump() {
  if (busy) return;
  busy = true;
  while (creating.length > 0 || completing.length > 0) {
    const [created, completed] = [creating, completing];
    creating = [];
    completing = [];
    if (completed.length > 0) await db.query({ ...COMPLETE, values: [completed.map((run) => run.id), completed.map((run) => run.text)] });
    if (created.length > 0) await db.query({ ...CREATE, values: [created.map((run) => run.id), created.map((run) => run.text)] });
    for (const run of completed) run.done();
    completing.push(...created);
  }
  busy = false;
}

const server = http.createServer((request, response) => {
  let text = '';
  request
    .on('data', (part) => (text += part))
    .on('end', () => {
      const { parameters } = JSON.parse(text);
      const id = nextId++;
      creating.push({
        id,
        text: JSON.stringify(parameters),
        done: () => response.setHeader('content-type', 'application/json').end(`{"execution_id":"${id}","status":"completed"}`),
      });
      setImmediate(pump);
    });
});
server.listen(0, '127.0.0.1', () => process.stdout.write(`${server.address().port}\n`));
