import { type Connection, type Submittable } from 'pg';
import { wireOf } from './row-query.js';

/** One COPY … FROM STDIN whose data are in memory: a chunk at a time, so that no more is ever underway. */
export class CopyQuery implements Submittable {
  readonly outcome: Promise<number>;
  /** The driver calls these by name. */
  readonly name = '';
  private readonly resolve: (rows: number) => void;
  private readonly reject: (error: unknown) => void;
  private rows = 0;

  constructor(
    readonly text: string,
    private readonly data: Uint8Array,
  ) {
    ({ promise: this.outcome, resolve: this.resolve, reject: this.reject } = Promise.withResolvers<number>());
  }

  submit(connection: Connection): null {
    wireOf(connection).query(this.text);
    return null;
  }

  handleCopyInResponse(connection: Connection): void {
    const wire = wireOf(connection);
    wire.sendCopyFromChunk(this.data);
    wire.endCopyFrom();
  }

  handleCommandComplete({ text }: { readonly text: string }): void {
    this.rows = Number(/ (\d+)$/.exec(text)?.[1] ?? 0);
  }

  handleError(error: unknown): void {
    this.reject(error);
  }

  handleReadyForQuery(): void {
    this.resolve(this.rows);
  }

  // What COPY FROM never answers with.
  handleRowDescription(): void {}
  handleDataRow(): void {}
  handlePortalSuspended(): void {}
  handleEmptyQuery(): void {}
  handleCopyData(): void {}
}

/** A row in COPY's text format. */
export function copyLine(values: readonly (string | null)[]): string {
  let line = '';
  for (let at = 0; at < values.length; at += 1) {
    const value = values[at] ?? null;
    line += `${at === 0 ? '' : '\t'}${value === null ? '\\N' : escaped(value)}`;
  }
  return `${line}\n`;
}

function escaped(value: string): string {
  return SPECIAL.test(value) ? value.replace(ALL_SPECIAL, (character) => ESCAPES[character]!) : value;
}
const SPECIAL = /[\\\n\r\t]/;
const ALL_SPECIAL = /[\\\n\r\t]/g;
const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\n': '\\n', '\r': '\\r', '\t': '\\t' };
