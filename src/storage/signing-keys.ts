import { randomBytes } from 'node:crypto';
import { type DataSource } from 'typeorm';
import { type DatabaseHistory } from './connection/database-history.js';

/** Keys that every node has alike, for what is handed to clients and taken back from them: random, one row each, made where it is missing. */
export class SigningKeys {
  private readonly known = new Map<string, Promise<Buffer>>();

  constructor(
    private readonly db: DataSource,
    history: DatabaseHistory,
  ) {
    history.onChange(() => this.known.clear());
  }

  /** 32 bytes, the same on every node. */
  shared(name: string): Promise<Buffer> {
    const known = this.known.get(name) ?? this.read(name);
    this.known.set(name, known);
    known.catch(() => this.known.delete(name));
    return known;
  }

  private async read(name: string): Promise<Buffer> {
    await this.db.query(`INSERT INTO signing_key (name, secret) VALUES ($1, $2) ON CONFLICT DO NOTHING`, [name, randomBytes(32)]);
    const [row] = await this.db.query<{ secret: Buffer }[]>(`SELECT secret FROM signing_key WHERE name = $1`, [name]);
    if (!row) throw new Error(`the signing key ${name} vanished`);
    return row.secret;
  }
}
