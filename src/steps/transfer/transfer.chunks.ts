import { type RowPage } from '../../engine/database-port.js';
import { type RowSource } from './transfer.source.js';

/** Of one chunk, and aimed at for one page: wide rows make smaller chunks. */
const TARGET_BYTES = 4 * 1_048_576;

/** Cuts rows into chunks of at most `size` rows with the same columns. While one chunk is worked on, the next is read, and no further. */
export async function* chunksOf(source: RowSource, size: number): AsyncGenerator<RowPage> {
  const cutter = new Cutter(source, size);
  let next = cutter.cut();
  for (;;) {
    const chunk = await next;
    if (chunk === null) return;
    next = cutter.cut();
    next.catch(() => undefined); // heard of in the next round, if there is one
    yield chunk;
  }
}

class Cutter {
  /** Came with the last chunk and has other columns. */
  private ahead: RowPage | null = null;
  private rowBytes = 0;

  constructor(
    private readonly source: RowSource,
    private readonly size: number,
  ) {}

  async cut(): Promise<RowPage | null> {
    const first = this.ahead ?? (await this.page(this.size));
    this.ahead = null;
    if (first === null) return null;
    const rows = [...first.rows];
    let { bytes } = first;
    while (rows.length < this.size && bytes < TARGET_BYTES) {
      const page = await this.page(this.size - rows.length);
      if (page === null) break;
      if (!isSame(page.columns, first.columns)) {
        this.ahead = page;
        break;
      }
      for (const row of page.rows) rows.push(row);
      bytes += page.bytes;
    }
    return { columns: first.columns, rows, bytes };
  }

  private async page(maxRows: number): Promise<RowPage | null> {
    const fitting = this.rowBytes === 0 ? maxRows : Math.max(1, Math.floor(TARGET_BYTES / this.rowBytes));
    const page = await this.source.next(Math.min(maxRows, fitting));
    if (page !== null && page.rows.length > 0) this.rowBytes = page.bytes / page.rows.length;
    return page;
  }
}

function isSame(some: readonly string[], others: readonly string[]): boolean {
  return some.length === others.length && some.every((name, at) => name === others[at]);
}
