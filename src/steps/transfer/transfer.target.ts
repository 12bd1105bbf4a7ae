import { DatabaseError, type RowPage } from '../../engine/database-port.js';
import { StepFailure } from '../../engine/step-executor.js';
import { stateOf, withState } from './transfer.ends.js';
import { type TransferTarget } from './transfer.request.js';

export interface Transferred {
  readonly rows: number;
  readonly chunks: number;
}

/** One transaction of the target. Methods throw DatabaseError of a statement, StepFailure for anything else. */
export interface ChunkWriter {
  begin(): Promise<void>;
  write(chunk: RowPage): Promise<void>;
  commit(): Promise<void>;
  /** Never throws. */
  undo(): Promise<void>;
}

/** Writes all chunks in one transaction. Throws StepFailure, after which nothing of them is there. */
export async function writeChunks(chunks: AsyncIterable<RowPage>, target: TransferTarget, writer: ChunkWriter): Promise<Transferred> {
  const key = target.into === 'table' ? target.key : [];
  let done: Transferred = { rows: 0, chunks: 0 };
  let underway = 0;
  try {
    await writer.begin();
    for await (const chunk of chunks) {
      const lacking = key.find((column) => !chunk.columns.includes(column));
      if (lacking !== undefined) throw new StepFailure('invalid_transfer', `The rows lack the key ${lacking}`, { retryable: false });
      underway = chunk.rows.length;
      await writer.write(chunk);
      done = { rows: done.rows + chunk.rows.length, chunks: done.chunks + 1 };
      underway = 0;
    }
    await writer.commit();
    return done;
  } catch (error) {
    await writer.undo();
    throw failureOf(error, done, underway);
  }
}

/** Places of the fields that a statement for each row binds. Throws StepFailure where a row has no such field. */
export function fieldsOf(binds: readonly (string | null)[], columns: readonly string[], by: 'name' | 'place'): number[] {
  return binds.map((bind) => {
    const place = by === 'place' ? Number(bind) : columns.indexOf(bind ?? '');
    if (place >= 0 && place < columns.length) return place;
    const what = by === 'place' ? `have ${columns.length} fields, not ${place + 1}` : `lack the field ${bind}`;
    throw new StepFailure('invalid_transfer', `The rows ${what}, which the query of the target binds`, { retryable: false });
  });
}

/** What is told of an error: where, never which values. */
function failureOf(error: unknown, { rows, chunks }: Transferred, underway: number): unknown {
  const value = { status: 'error', rows_transferred: 0, rows_undone: rows, chunks };
  if (error instanceof StepFailure && error.value === undefined)
    return new StepFailure(error.code, `${error.message}; nothing was kept (${rows} rows were written before)`, {
      retryable: error.retryable,
      cause: error.details,
      value,
      ...(error.statusCode === undefined ? {} : { statusCode: error.statusCode }),
    });
  if (!(error instanceof DatabaseError)) return error;
  const { sqlState, about, message } = error;
  const where = underway === 0 ? 'The target failed' : `Chunk ${chunks + 1} (rows ${rows + 1} to ${rows + underway}) failed`;
  return new StepFailure(sqlState === '57014' ? 'timeout' : 'sql_error', `${where}: ${withState(message, sqlState)}; nothing was kept`, {
    cause: { ...stateOf(sqlState), side: 'target', chunk: chunks + 1, rows_before: rows, ...about },
    value,
  });
}
