import { type InboxMessage, type RunId } from '../engine/ports.js';
import { type JsonObject } from '../engine/values.js';
import { type Prepared } from './connection/prepared.js';

/** Reads under way; one more than needed, for the connection of the other may be dead. */
const MOST_UNDER_WAY = 2;
const MOST_RUNS = 200;

/** OFFSET keeps it a look-up by key for each run, whatever the planner thinks of the tables' sizes. */
const READ = `SELECT u.ord, i.inbox_seq, i.kind, i.payload
  FROM unnest($1::bigint[], $2::text[], $3::int[]) WITH ORDINALITY AS u(id, tenant, after, ord),
    LATERAL (SELECT inbox_seq, kind, payload FROM execution_inbox
      WHERE execution_id = u.id AND tenant_id = u.tenant AND inbox_seq > u.after ORDER BY inbox_seq OFFSET 0) i
  ORDER BY u.ord, i.inbox_seq`;

interface Row {
  readonly ord: string;
  readonly inbox_seq: number;
  readonly kind: InboxMessage['kind'];
  readonly payload: JsonObject;
}

interface Wanted {
  readonly tenantId: string;
  readonly runId: RunId;
  readonly after: number;
  readonly resolve: (messages: readonly InboxMessage[]) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Reads the inboxes of the runs held here. What is asked for in one turn of the loop, or while enough reads are under way, is one statement: when
 * hundreds of runs are told something at once, they must not take the connections that keep their leases and claim others.
 */
export class InboxReads {
  private wanted: Wanted[] = [];
  private underWay = 0;
  private isDue = false;

  /** @param statements sends a statement that is planned once per connection */
  constructor(private readonly statements: Pick<Prepared, 'query'>) {}

  /** The messages of a run above `after`, in order, those that were committed before this call among them. Rejects where the database fails. */
  read(tenantId: string, runId: RunId, after: number): Promise<readonly InboxMessage[]> {
    return new Promise((resolve, reject) => {
      this.wanted.push({ tenantId, runId, after, resolve, reject });
      if (this.isDue) return;
      this.isDue = true;
      queueMicrotask(() => {
        this.isDue = false;
        this.go();
      });
    });
  }

  private go(): void {
    while (this.wanted.length > 0 && this.underWay < MOST_UNDER_WAY) {
      this.underWay += 1;
      void this.ask(this.wanted.splice(0, MOST_RUNS)).finally(() => {
        this.underWay -= 1;
        this.go();
      });
    }
  }

  private async ask(asked: readonly Wanted[]): Promise<void> {
    try {
      const rows = await this.statements.query<Row>('read inboxes', READ, [
        asked.map(({ runId }) => runId),
        asked.map(({ tenantId }) => tenantId),
        asked.map(({ after }) => after),
      ]);
      const messages = asked.map((): InboxMessage[] => []);
      for (const { ord, inbox_seq, kind, payload } of rows) messages[Number(ord) - 1]!.push({ inboxSeq: inbox_seq, kind, payload });
      asked.forEach(({ resolve }, index) => resolve(messages[index]!));
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }
}
