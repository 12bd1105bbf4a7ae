import { type BatchParameter } from './array-parameters.js';
import { type BatchAnswer, batchForms } from './batch-statement.js';
import { sendInPieces } from './bind-pieces.js';
import { type DatabaseHistory } from '../connection/database-history.js';
import { type LeaseTerm } from '../lease-term.js';
import { type Log } from '../log.js';
import { OwnConnection } from '../connection/own-connection.js';

/** Above the server's own statement time-out for this session. */
const ANSWER_TIMEOUT_MS = 8_000;

/**
 * Plans that change with the tables' statistics cost most of the writer's speed on a fresh table, and planning anew costs more than any
 * better plan would gain: every look-up of a batch is one by primary key. Values above 2 KiB are compressed, by LZ4 where the server was built with
 * it: that takes half of the standard's time.
 */
const SESSION_SETTINGS = `
  SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;
  SET plan_cache_mode = force_generic_plan; SET statement_timeout = '6s';
  SELECT set_config('default_toast_compression', 'lz4', false) FROM pg_settings WHERE name = 'default_toast_compression' AND 'lz4' = ANY (enumvals)`;

/** One connection of the batch writer. */
export class WriterConnection extends OwnConnection {
  private readonly formOf: ReturnType<typeof batchForms>;

  constructor(url: string, lease: LeaseTerm, history: DatabaseHistory, log: Log) {
    super({
      url,
      role: 'writer',
      lease,
      history,
      log,
      session: SESSION_SETTINGS,
      answerWithinMs: ANSWER_TIMEOUT_MS,
      prepare: sendInPieces,
    });
    this.formOf = batchForms(lease);
  }

  async write(parameters: readonly BatchParameter[]): Promise<BatchAnswer> {
    const [answer] = await this.query<BatchAnswer>({ ...this.formOf(parameters), values: [...parameters] });
    if (answer === undefined) throw new Error('the batch statement answered nothing');
    return answer;
  }
}
