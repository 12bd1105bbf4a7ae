import { type Connection, type Submittable } from 'pg';
import { type RowPage, type SentStatement } from '../engine/database-port.js';
import { StepFailure } from '../engine/step-executor.js';
import { type RawColumn, type Wire, wireOf } from './row-query.js';

/** A page is asked for by rows; what it weighs shows only when it comes. */
const FIRST_PAGE = 50;

/**
 * One statement by the extended protocol whose rows are read page by page, as far as somebody asks for them: the server
 * keeps the rest in its portal, so neither side holds more than a page.
 */
export class PageQuery implements Submittable {
  /** The driver calls these by name. */
  readonly name = '';
  readonly text: string;
  private readonly ended = Promise.withResolvers<void>();
  private page = Promise.withResolvers<RowPage | null>();
  private isFirst = true;
  /** The last row has come, or none will. */
  private isDone = false;
  /** Also what breaks between two pages: it must never look like the end of the rows. */
  private failure: { readonly error: unknown } | null = null;
  private isClosing = false;
  private isSynced = false;
  private connection: Connection | null = null;
  private columns: readonly RawColumn[] = [];
  private rows: (readonly (string | null)[])[] = [];
  private bytes = 0;

  constructor(
    private readonly statement: SentStatement,
    private readonly maxPageBytes: number,
  ) {
    this.text = statement.text;
    this.page.promise.catch(() => undefined); // whoever asks next hears of it
  }

  /** The next rows, at most `maxRows` (the first time at most 50); null after the last. Throws the driver's error. */
  async next(maxRows: number): Promise<RowPage | null> {
    if (this.failure) throw this.failure.error;
    if (this.isClosing) return null;
    if (this.isFirst) this.isFirst = false;
    else {
      if (this.isDone) return null;
      this.page = Promise.withResolvers();
      this.execute(wireOf(this.connection!), maxRows);
    }
    return this.page.promise;
  }

  /** Gives up what was not read; resolves when the connection is free again. */
  async close(): Promise<void> {
    this.isClosing = true;
    if (this.connection !== null && !this.isDone) this.sync(this.connection);
    await this.ended.promise;
  }

  submit(connection: Connection): null {
    const wire = wireOf(connection);
    this.connection = connection;
    connection.stream.cork();
    wire.parse({ text: this.text, name: '', types: [] });
    wire.bind({ portal: '', statement: '', values: this.statement.values, binary: false });
    wire.describe({ type: 'P', name: '' });
    this.execute(wire, FIRST_PAGE);
    connection.stream.uncork();
    return null;
  }

  handleRowDescription({ fields }: { readonly fields: readonly RawColumn[] }): void {
    this.columns = fields;
  }

  handleDataRow({ fields }: { readonly fields: readonly (string | null)[] }): void {
    for (const field of fields) this.bytes += field?.length ?? 0;
    if (this.bytes <= this.maxPageBytes) this.rows.push(fields);
  }

  handlePortalSuspended(connection: Connection): void {
    if (this.isClosing) this.sync(connection);
    this.settle();
  }

  handleCommandComplete(_message: unknown, connection: Connection): void {
    this.finish(connection);
    this.settle();
  }

  handleEmptyQuery(connection: Connection): void {
    this.finish(connection);
    this.settle();
  }

  handleCopyInResponse(connection: Connection): void {
    wireOf(connection).sendCopyFail('there is nothing to copy from');
  }

  handleCopyData(): void {
    // COPY … TO STDOUT has no columns, so nobody could say what is what
  }

  handleError(error: unknown, connection: Connection): void {
    this.finish(connection);
    this.failure = { error };
    this.page.reject(error);
    this.ended.resolve();
  }

  handleReadyForQuery(): void {
    this.isDone = true;
    this.ended.resolve();
  }

  private execute(wire: Wire, rows: number): void {
    this.rows = [];
    this.bytes = 0;
    wire.execute({ portal: '', rows });
    wire.flush();
  }

  private settle(): void {
    const { bytes, columns, rows } = this;
    this.rows = [];
    if (bytes <= this.maxPageBytes)
      return this.page.resolve(rows.length === 0 && this.isDone ? null : { columns: columns.map(({ name }) => name), rows, bytes });
    const message = `Rows are too large: more than ${this.maxPageBytes} bytes came at once`;
    this.failure = { error: new StepFailure('result_too_large', message, { retryable: false }) };
    this.page.reject(this.failure.error);
  }

  private finish(connection: Connection): void {
    this.isDone = true;
    this.sync(connection);
  }

  private sync(connection: Connection): void {
    if (this.isSynced) return;
    this.isSynced = true;
    wireOf(connection).sync();
  }
}
