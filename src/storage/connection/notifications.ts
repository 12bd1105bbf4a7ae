import pg from 'pg';
import { connectionOptions } from './connection-options.js';
import { type DatabaseHistory } from './database-history.js';
import { type Log } from '../log.js';
import { sqlStateOf } from './sql-state.js';

/** Payload: id of an execution whose inbox has a new message. */
export const INBOX_CHANNEL = 'showrunner_inbox';
/** No payload: a row without a holder is due. */
export const DUE_CHANNEL = 'showrunner_due';
/** Payload: id of a bulk operation that is new or was aborted. */
export const BULK_CHANNEL = 'showrunner_bulk';
/** Payload is the catalog's own. */
export const CATALOG_CHANNEL = 'showrunner_catalog';

const CHECK_EVERY_MS = 10_000;
const RECONNECT_AFTER_MS = 500;
const ANSWER_TIMEOUT_MS = 5_000;
/** More than this many hints waiting say nothing that the next poll does not. */
const MAX_PENDING = 1_000;

/**
 * Hints between nodes by LISTEN and NOTIFY, on one connection of their own: sent after the commit, coalesced, lost without regret (D10).
 * Whoever listens polls as well, and at once where a connection was made anew.
 */
export class Notifications {
  private readonly handlers = new Map<string, Set<(payload: string) => void>>();
  private readonly reconnectListeners = new Set<() => void>();
  private readonly pending = new Map<string, readonly [string, string]>();
  private client: pg.Client | null = null;
  private connecting: Promise<void> | null = null;
  private lastAnswer: Promise<unknown> = Promise.resolve();
  private sending = false;
  private closed = false;
  private checkTimer: NodeJS.Timeout | null = null;
  private reconnectTimer: NodeJS.Timeout | null = null;

  /** @param url a direct connection: behind a transaction pooler LISTEN hears nothing */
  constructor(
    private readonly url: string,
    private readonly history: DatabaseHistory,
    private readonly log: Log,
  ) {
    history.onChange(() => {
      if (this.client !== null) this.lose();
    });
  }

  /** Connects, and keeps connecting in the background; resolves after the first attempt, whether it succeeded or not. */
  async start(): Promise<void> {
    this.checkTimer = setInterval(() => void this.check(), CHECK_EVERY_MS);
    this.checkTimer.unref();
    await this.connect();
  }

  listen(channel: string, handler: (payload: string) => void): () => void {
    const handlers = this.handlers.get(channel) ?? new Set();
    const isNew = handlers.size === 0;
    this.handlers.set(channel, handlers.add(handler));
    if (isNew && this.client !== null) void this.ask(this.client, `LISTEN ${pg.escapeIdentifier(channel)}`).catch(() => this.lose());
    return () => handlers.delete(handler);
  }

  /** Called after the listening connection was made anew: notifications may have been missed, poll in full. */
  onReconnect(listener: () => void): () => void {
    this.reconnectListeners.add(listener);
    return () => this.reconnectListeners.delete(listener);
  }

  /** Sends soon, once for any number of equal calls until then. Never fails. */
  notify(channel: string, payload: string): void {
    if (this.pending.size >= MAX_PENDING) return;
    this.pending.set(`${channel}\0${payload}`, [channel, payload]);
    void this.send();
  }

  async close(): Promise<void> {
    this.closed = true;
    if (this.checkTimer !== null) clearInterval(this.checkTimer);
    if (this.reconnectTimer !== null) clearTimeout(this.reconnectTimer);
    await this.connecting;
    const client = this.client;
    this.client = null;
    await client?.end().catch(() => undefined);
  }

  private async send(): Promise<void> {
    const { client } = this;
    if (this.sending || client === null) return;
    this.sending = true;
    try {
      while (this.pending.size > 0 && this.client !== null) {
        const batch = [...this.pending.values()];
        this.pending.clear();
        await this.ask(this.client, `SELECT pg_notify(c, p) FROM unnest($1::text[], $2::text[]) t(c, p)`, [
          batch.map(([c]) => c),
          batch.map(([, p]) => p),
        ]);
      }
    } catch (error) {
      this.log.warn({ err: error }, 'a notification was not sent');
      // Without an answer the connection is as good as gone, and whatever is asked next would wait behind this.
      if (client === this.client && sqlStateOf(error) === null) this.lose();
    } finally {
      this.sending = false;
    }
  }

  /** A half-open connection looks alive for ever; a query in the same session finds out (R6). */
  private async check(): Promise<void> {
    if (this.client === null) return;
    await this.ask(this.client, 'SELECT 1').catch(() => this.lose());
  }

  /** One statement after the other: the connection takes no second one before the first is answered. */
  private ask(client: pg.Client, text: string, values: unknown[] = []): Promise<unknown> {
    const answer = this.lastAnswer.then(() => client.query(text, values));
    this.lastAnswer = answer.catch(() => undefined);
    return answer;
  }

  private connect(): Promise<void> {
    this.connecting ??= this.connectOnce().finally(() => {
      this.connecting = null;
    });
    return this.connecting;
  }

  private async connectOnce(): Promise<void> {
    const client = new pg.Client({ ...connectionOptions(this.url, 'notify'), query_timeout: ANSWER_TIMEOUT_MS });
    client.on('error', (error) => {
      this.log.warn({ err: error }, 'the notification connection was lost');
      if (this.client === client) this.lose();
    });
    client.on('end', () => {
      if (this.client === client) this.lose();
    });
    client.on('notification', ({ channel, payload }) => {
      for (const handler of this.handlers.get(channel) ?? []) this.guard(() => handler(payload ?? ''));
    });
    try {
      await client.connect();
      // Also an idle node hears of a change this way: this connection is made anew wherever it was lost.
      await this.history.isSame(client);
      for (const channel of this.handlers.keys()) await this.ask(client, `LISTEN ${pg.escapeIdentifier(channel)}`);
      this.client = client;
      for (const listener of this.reconnectListeners) this.guard(listener);
      void this.send();
    } catch (error) {
      this.log.warn({ err: error }, 'notifications cannot connect; polling goes on');
      client.connection.stream.destroy();
      this.reconnectLater();
    }
  }

  /** Anybody who reaches the database can notify: what a hint says must never end the process. */
  private guard(handler: () => void): void {
    try {
      handler();
    } catch (error) {
      this.log.error({ err: error }, 'a notification could not be handled');
    }
  }

  private lose(): void {
    this.client?.connection.stream.destroy();
    this.client = null;
    this.reconnectLater();
  }

  private reconnectLater(): void {
    if (this.closed || this.reconnectTimer !== null) return;
    this.reconnectTimer = setTimeout(() => {
      this.reconnectTimer = null;
      void this.connect();
    }, RECONNECT_AFTER_MS);
    this.reconnectTimer.unref();
  }
}
