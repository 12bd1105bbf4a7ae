import { sendInPieces } from './bind-pieces.js';
import { type BatchAnswer, type BatchParameter, batchStatement, CALL_PARAMETERS, PLAIN_PARAMETERS } from './batch-statement.js';
import { type DatabaseHistory } from './database-history.js';
import { type LeaseTerm } from './lease-term.js';
import { type Log } from './log.js';
import { OwnConnection } from './own-connection.js';

/** Above the server's own statement time-out for this session. */
const ANSWER_TIMEOUT_MS = 8_000;

/**
 * Plans that change with the tables' statistics cost most of the writer's speed on a fresh table, and planning anew costs more than any
 * better plan would gain: every look-up of a batch is one by primary key.
 */
const SESSION_SETTINGS = `
  SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; SET jit = off;
  SET plan_cache_mode = force_generic_plan; SET statement_timeout = '6s'`;

/** One connection of the batch writer. */
export class WriterConnection extends OwnConnection {
  private readonly statement: string;
  private readonly callStatement: string;
  private readonly approvalStatement: string;

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
    this.statement = batchStatement(lease);
    this.callStatement = batchStatement(lease, true);
    this.approvalStatement = batchStatement(lease, true, true);
  }

  async write(parameters: readonly BatchParameter[]): Promise<BatchAnswer> {
    const [answer] = await this.query<BatchAnswer>({ ...this.statementOf(parameters.length), values: [...parameters] });
    if (answer === undefined) throw new Error('the batch statement answered nothing');
    return answer;
  }

  /** By far the most batches neither call a run, nor end a called one, nor have to do with approvals, and pay nothing for those that do. */
  private statementOf(parameters: number): { readonly name: string; readonly text: string } {
    if (parameters > CALL_PARAMETERS) return { name: 'batch with approvals', text: this.approvalStatement };
    if (parameters > PLAIN_PARAMETERS) return { name: 'batch with calls', text: this.callStatement };
    return { name: 'batch', text: this.statement };
  }
}
