import { DatabaseError, type RowPage } from '../engine/database-port.js';
import { type DuckDbSession, type DuckDbStatement, type DuckDbTable } from '../engine/duckdb-port.js';
import { StepFailure } from '../engine/step-executor.js';
import { type JsonObject } from '../engine/values.js';

/** Files, null for a side that there is none of. */
export interface SessionPlaces {
  readonly folder: string;
  readonly read: string | null;
  readonly write: string | null;
}

/** Opens a session in a process that was lent, and closes it after `work`; what was not committed is undone by that. */
export async function withDuckDbSession<Result>(
  call: (message: JsonObject) => Promise<JsonObject>,
  places: SessionPlaces,
  work: (session: DuckDbSession) => Promise<Result>,
): Promise<Result> {
  const session = new LentSession(call);
  try {
    await session.open(places);
    return await work(session);
  } finally {
    // Where the process is gone there is nothing to close, and what happened is told already.
    await session.close().catch(() => undefined);
  }
}

class LentSession implements DuckDbSession {
  /** A process answers one call at a time; rows are read ahead while others are written. */
  private turn: Promise<unknown> = Promise.resolve();

  constructor(private readonly call: (message: JsonObject) => Promise<JsonObject>) {}

  async open({ folder, read, write }: SessionPlaces): Promise<void> {
    try {
      await this.ask('open', { folder, read, write });
    } catch (error) {
      if (!(error instanceof DatabaseError)) throw error;
      throw new StepFailure('sql_error', `The database could not be opened: ${error.message}`);
    }
  }

  async query({ text, ownText, values }: DuckDbStatement): Promise<readonly string[]> {
    const { columns } = await this.ask('query', { text, ownText, values: [...values] });
    return columns as string[];
  }

  async next(maxRows: number, maxBytes: number): Promise<Omit<RowPage, 'columns'> | null> {
    const { rows, bytes } = (await this.ask('next', { maxRows, maxBytes })) as unknown as Omit<RowPage, 'columns'>;
    return rows.length === 0 ? null : { rows, bytes };
  }

  async write(text: string): Promise<void> {
    await this.ask('write', { text, ownText: text });
  }

  async insert({ rows }: RowPage, { table, columns, upsert }: DuckDbTable): Promise<void> {
    const ownText = [table, ...columns].join(' ');
    await this.ask('insert', { table, columns, upsert, rows, ownText } as unknown as JsonObject);
  }

  async each({ text, ownText }: Omit<DuckDbStatement, 'values'>, rows: RowPage['rows']): Promise<void> {
    await this.ask('each', { text, ownText, rows } as unknown as JsonObject);
  }

  async commit(): Promise<void> {
    await this.ask('commit', {});
  }

  async close(): Promise<void> {
    await this.ask('close', {});
  }

  private ask(op: string, given: JsonObject): Promise<JsonObject> {
    const answer = this.turn.then(async () => {
      const { ok, message, ...rest } = await this.call({ ...given, op });
      if (ok !== true) throw new DatabaseError(String(message), '', {});
      return rest;
    });
    this.turn = answer.catch(() => undefined);
    return answer;
  }
}
