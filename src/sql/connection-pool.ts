import { unlessAborted } from '../outbound/abort.js';
import { type DatabaseConnection } from './database-connection.js';

export interface PoolLimits {
  /** Connections at once, those that are lent included. */
  readonly connections: number;
  /** How long a connection may sit unused. */
  readonly idleMs: number;
}

/** Connections of one login to one address: lent one at a time, in the order they were asked for, and closed when unused. */
export class ConnectionPool {
  private readonly idle = new Map<DatabaseConnection, NodeJS.Timeout>();
  private readonly waiting: (() => void)[] = [];
  private readonly open = new Set<DatabaseConnection>();
  /** Slots in use: open connections and those being opened. */
  private slots = 0;
  private wiping = 0;
  private acquiring = 0;
  private closed = false;

  constructor(
    private readonly connect: () => Promise<DatabaseConnection>,
    private readonly limits: PoolLimits,
  ) {}

  /** Nobody has or wants a connection of it. */
  get isUnused(): boolean {
    return this.slots === this.idle.size && this.acquiring === 0;
  }

  /** Throws the driver's error where none can be opened, and the signal's reason. */
  async acquire(signal: AbortSignal): Promise<DatabaseConnection> {
    this.acquiring += 1;
    try {
      return await this.idleOrNew(signal);
    } finally {
      this.acquiring -= 1;
    }
  }

  private async idleOrNew(signal: AbortSignal): Promise<DatabaseConnection> {
    for (let isTurn = this.waiting.length === 0; ; isTurn = true) {
      signal.throwIfAborted();
      const found = isTurn ? this.takeIdle() : undefined;
      if (found) return found;
      // One that is being wiped is free sooner than a new one is open.
      if (this.slots < this.limits.connections && this.wiping <= this.waiting.length) return this.openOne(signal);
      await this.turn(signal);
    }
  }

  /** Takes a connection back; what it holds is wiped before anyone else gets it. */
  release(connection: DatabaseConnection, reusable: boolean): void {
    this.wiping += 1;
    void (async () => {
      const isClean = reusable && !this.closed && (await connection.reset());
      this.wiping -= 1;
      if (isClean && !this.closed && connection.isOpen) this.keep(connection);
      else connection.close();
      this.next();
    })();
  }

  close(): void {
    this.closed = true;
    for (const connection of this.open) connection.close();
    this.next();
  }

  private takeIdle(): DatabaseConnection | undefined {
    for (const [connection, timer] of this.idle) {
      clearTimeout(timer);
      this.idle.delete(connection);
      if (connection.isOpen) return connection;
    }
    return undefined;
  }

  private async openOne(signal: AbortSignal): Promise<DatabaseConnection> {
    this.slots += 1;
    const opening = this.connect();
    // Whoever asked may give up; the connection is then ended when it stands, and only then its slot is free.
    void opening.then(
      (connection) => this.opened(connection),
      () => {
        this.slots -= 1;
        this.next();
      },
    );
    try {
      return await unlessAborted(opening, signal);
    } catch (error) {
      void opening.then(
        (connection) => connection.close(),
        () => undefined,
      );
      throw error;
    }
  }

  private opened(connection: DatabaseConnection): void {
    this.open.add(connection);
    connection.onEnd = () => {
      clearTimeout(this.idle.get(connection));
      this.idle.delete(connection);
      this.open.delete(connection);
      this.slots -= 1;
      this.next();
    };
    if (!connection.isOpen) connection.onEnd();
    else if (this.closed) connection.close();
  }

  private keep(connection: DatabaseConnection): void {
    this.idle.set(connection, setTimeout(() => connection.close(), this.limits.idleMs).unref());
  }

  private next(): void {
    this.waiting.shift()?.();
  }

  private async turn(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.waiting.push(resolve);
    try {
      await unlessAborted(promise, signal);
    } catch (error) {
      const at = this.waiting.indexOf(resolve);
      if (at >= 0) this.waiting.splice(at, 1);
      else this.next(); // the turn had come already: it is somebody else's
      throw error;
    }
  }
}
