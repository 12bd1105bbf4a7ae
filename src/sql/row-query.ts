import { type Connection, type Submittable } from 'pg';
import { type RowLimits, type SentStatement } from '../engine/database-port.js';

const PAGE = 500;

/** What the driver's connection can do and its types do not say. */
export interface Wire {
  query(text: string): void;
  parse(message: { text: string; name: string; types: readonly number[] }): void;
  bind(message: { portal: string; statement: string; values: readonly (string | null)[]; binary: boolean }): void;
  describe(message: { type: 'P'; name: string }): void;
  execute(message: { portal: string; rows: number }): void;
  sendCopyFromChunk(chunk: Uint8Array): void;
  endCopyFrom(): void;
  sendCopyFail(message: string): void;
  flush(): void;
  sync(): void;
}

export interface RawColumn {
  readonly name: string;
  readonly dataTypeID: number;
}

export interface RawOutcome {
  readonly columns: readonly RawColumn[] | null;
  readonly rows: readonly (readonly (string | null)[])[];
  readonly truncated: boolean;
  readonly tooLarge: boolean;
  /** As the server says it; empty where rows were left out. */
  readonly tag: string;
}

/**
 * One statement by the extended protocol, which refuses a second one in the same text, read page by page and only as far
 * as the limits allow.
 */
export class RowQuery implements Submittable {
  readonly outcome: Promise<RawOutcome>;
  /** The driver calls these by name. */
  readonly name = '';
  readonly text: string;
  private readonly resolve: (outcome: RawOutcome) => void;
  private readonly reject: (error: unknown) => void;
  private columns: readonly RawColumn[] | null = null;
  private readonly rows: (string | null)[][] = [];
  private bytes = 0;
  private truncated = false;
  private tag = '';
  private isSynced = false;

  constructor(
    statement: SentStatement,
    private readonly limits: RowLimits,
  ) {
    this.text = statement.text;
    this.values = statement.values;
    ({ promise: this.outcome, resolve: this.resolve, reject: this.reject } = Promise.withResolvers<RawOutcome>());
  }
  private readonly values: readonly (string | null)[];

  submit(connection: Connection): null {
    const wire = wireOf(connection);
    connection.stream.cork();
    wire.parse({ text: this.text, name: '', types: [] });
    wire.bind({ portal: '', statement: '', values: this.values, binary: false });
    wire.describe({ type: 'P', name: '' });
    this.readPage(wire);
    connection.stream.uncork();
    return null;
  }

  handleRowDescription({ fields }: { readonly fields: readonly RawColumn[] }): void {
    this.columns = fields;
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    for (const field of fields) this.bytes += field?.length ?? 0;
    if (this.isTooLarge) return;
    if (this.rows.length < this.limits.maxRows) this.rows.push([...fields]);
    else this.truncated = true;
  }

  handlePortalSuspended(connection: Connection): void {
    if (this.isTooLarge || this.truncated) this.sync(connection);
    else this.readPage(wireOf(connection));
  }

  handleCommandComplete({ text }: { readonly text: string }, connection: Connection): void {
    this.tag = text;
    this.sync(connection);
  }

  handleEmptyQuery(connection: Connection): void {
    this.sync(connection);
  }

  handleCopyInResponse(connection: Connection): void {
    wireOf(connection).sendCopyFail('a step has nothing to copy from');
  }

  handleCopyData(): void {
    // COPY … TO STDOUT: nobody asked for it
  }

  handleError(error: unknown, connection: Connection): void {
    this.sync(connection);
    this.reject(error);
  }

  handleReadyForQuery(): void {
    const { columns, rows, tag } = this;
    this.resolve({ columns, rows, truncated: this.truncated, tooLarge: this.isTooLarge, tag: this.truncated ? '' : tag });
  }

  private get isTooLarge(): boolean {
    return this.bytes > this.limits.maxBytes;
  }

  /** A row more than may be kept tells that there are more. */
  private readPage(wire: Wire): void {
    wire.execute({ portal: '', rows: Math.min(PAGE, this.limits.maxRows + 1 - this.rows.length) });
    wire.flush();
  }

  private sync(connection: Connection): void {
    if (this.isSynced) return;
    this.isSynced = true;
    wireOf(connection).sync();
  }
}

export function wireOf(connection: Connection): Wire {
  return connection as unknown as Wire;
}
