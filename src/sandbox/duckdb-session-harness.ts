/**
 * Of the program of a DuckDB worker: databases that stay open over several calls, so that rows travel in pieces. {op, …} are the methods of
 * DuckDbSession (src/engine/duckdb-port.ts); one session at a time, one call at a time.
 */
export const DUCKDB_SESSION = String.raw`
let session = null;

/** As PostgreSQL reads it; what has parts is JSON. */
function texted(value, type) {
  if (value === null || value === undefined) return null;
  switch (type.typeId) {
    case Type.VARCHAR: return value;
    case Type.BLOB: return '\\x' + Buffer.from(value.bytes).toString('hex');
    case Type.LIST: case Type.ARRAY: case Type.STRUCT: case Type.MAP: return JSON.stringify(json(value, type));
    default: return String(value);
  }
}

/** The bytes of PostgreSQL's text of them, else the text itself. */
function bytesOf(text) {
  return /^\\x(?:[0-9a-fA-F]{2})*$/.test(text) ? Buffer.from(text.slice(2), 'hex') : Buffer.from(text, 'utf8');
}

/**
 * An INSERT that takes a list for each column, and casts what is in them to the types of the table. No table of ours holds the rows in between:
 * one transaction would keep all that ever were in it.
 */
async function insertOf({ table, columns, upsert }) {
  const key = JSON.stringify([table, columns]);
  if (session.insert?.key === key) return session.insert;
  const { writing } = session;
  const types = (await writing.run('SELECT ' + columns.join(', ') + ' FROM ' + table + ' LIMIT 0')).columnTypes();
  const items = types.map(({ typeId }) => (typeId === Type.BLOB ? duckdb.BLOB : duckdb.VARCHAR));
  const lists = items.map((type, at) => 'unnest($' + (at + 1) + '::' + type + '[]) AS c' + at);
  const ofKey = upsert && upsert.key.map((column) => 'c' + columns.indexOf(column)).join(', ');
  const last = upsert ? ' QUALIFY row_number() OVER (PARTITION BY ' + ofKey + ' ORDER BY place DESC) = 1' : '';
  const rows = 'SELECT ' + lists.join(', ') + ', unnest($' + (items.length + 1) + '::INTEGER[]) AS place';
  const text = 'INSERT INTO ' + table + ' (' + columns.join(', ') + ') SELECT ' + columns.map((_, at) => 'c' + at).join(', ') + ' FROM (' + rows + ')' + last + ' ORDER BY place' + (upsert ? ' ' + upsert.onConflict : '');
  return (session.insert = { key, items, statement: await writing.prepare(text) });
}

const OPERATIONS = {
  async open({ folder, read, write }) {
    mkdirSync(folder + '/files', { recursive: true });
    process.chdir(folder + '/files');
    session = { instances: new Map(), connections: [], reading: null, writing: null, result: null, rest: [], insert: null, prepared: null };
    for (const [side, file] of [['reading', read], ['writing', write]]) {
      if (file === null) continue;
      const known = session.instances.get(file);
      const instance = known ?? (await opened(file));
      session.instances.set(file, instance);
      session[side] = await instance.connect();
      session.connections.push(session[side]);
      if (known) await session[side].run("SET TimeZone = 'UTC'");
      else await configure(session[side], folder);
    }
    // One file has one configuration, however many connections it has.
    for (const side of read === write ? ['reading'] : ['reading', 'writing']) if (session[side]) await lock(session[side], folder);
    for (const connection of session.connections) await connection.run('BEGIN');
  },
  async query({ text, values }) {
    const pairs = values.map(bound);
    const result = await session.reading.stream(text, pairs.map(([value]) => value), pairs.map(([, type]) => type));
    session.result = result;
    return { columns: result.returnType === Returns.QUERY_RESULT ? result.columnNames() : [] };
  },
  async next({ maxRows, maxBytes }) {
    const types = session.result.columnTypes();
    const rows = [];
    let bytes = 0;
    while (rows.length < maxRows && bytes < maxBytes) {
      if (session.rest.length === 0) {
        const chunk = await session.result.fetchChunk();
        if (!chunk || chunk.rowCount === 0) break;
        session.rest = chunk.getRows().reverse();
      }
      const row = session.rest.pop().map((value, at) => texted(value, types[at]));
      for (const text of row) bytes += text === null ? 0 : text.length;
      rows.push(row);
    }
    return { rows, bytes };
  },
  async write({ text }) {
    await session.writing.run(text);
  },
  async insert({ rows, ...into }) {
    const { items, statement } = await insertOf(into);
    const value = (text, type) => (text === null ? null : type === duckdb.BLOB ? duckdb.blobValue(bytesOf(text)) : text);
    items.forEach((type, at) => statement.bindList(at + 1, duckdb.listValue(rows.map((row) => value(row[at], type))), duckdb.LIST(type)));
    statement.bindList(items.length + 1, duckdb.listValue(rows.map((_, at) => at)), duckdb.LIST(duckdb.INTEGER));
    await statement.run();
  },
  async each({ text, rows }) {
    if (session.prepared?.text !== text) session.prepared = { text, statement: await session.writing.prepare(text) };
    const { statement } = session.prepared;
    for (const row of rows) {
      statement.bind(row, row.map((value) => (value === null ? duckdb.SQLNULL : duckdb.VARCHAR)));
      await statement.run();
    }
  },
  async commit() {
    for (const connection of [session.writing, session.reading]) if (connection) await connection.run('COMMIT');
  },
  async close() {
    for (const connection of session?.connections ?? []) connection.closeSync();
    for (const instance of session?.instances.values() ?? []) instance.closeSync();
    session = null;
    process.chdir('/');
  },
};

async function inSession(call) {
  try {
    return { ok: true, ...(await OPERATIONS[call.op](call)) };
  } catch (error) {
    const message = String(error.message);
    return { ok: false, message: call.op === 'open' ? unopened(message) : withoutValues(message, call.ownText ?? '') };
  }
}
`;
