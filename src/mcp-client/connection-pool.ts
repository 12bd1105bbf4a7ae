import { StepFailure } from '../engine/step-executor.js';
import { unlessAborted } from '../outbound/abort.js';
import { type OutboundClient } from '../outbound/outbound-client.js';
import { type Era, McpConnection } from './connection.js';
import { MCP_LIMITS } from './limits.js';
import { ConnectionBroken, failureOf } from './mcp-failure.js';
import { type McpServer } from './mcp-server.js';
import { Pauses } from './pauses.js';

export interface WantedConnection {
  readonly tenantId: string;
  readonly server: McpServer;
  /** Changes with every change of the credential; empty: none. */
  readonly credential: string;
  /** Headers of the credential. */
  readonly headers: Readonly<Record<string, string>>;
}

export interface PoolOptions {
  readonly outbound: Pick<OutboundClient, 'stream'>;
  /** What servers print on their error output. */
  readonly stderr: (server: string, text: string) => void;
  readonly idleMs?: number;
  readonly processes?: number;
}

interface Pooled {
  readonly kind: McpServer['kind'];
  readonly opening: Promise<McpConnection>;
  /** Null until it is open. */
  connection: McpConnection | null;
  /** Monotonic milliseconds. */
  usedAt: number;
}

/**
 * Connections by tenant, server, its version and the credential. Calls share one; those that are idle, over or no longer wanted are given up. A
 * server that fails again and again is given pauses in which calls fail at once.
 */
export class ConnectionPool {
  private readonly pooled = new Map<string, Pooled>();
  private readonly eras = new Map<string, Era>();
  private readonly pauses = new Pauses();
  private readonly sweep: NodeJS.Timeout;
  private readonly closing = new AbortController();
  private closed = false;

  constructor(private readonly options: PoolOptions) {
    this.sweep = setInterval(() => this.giveUpIdle(), Math.min(this.idleMs, 30_000)).unref();
  }

  /**
   * A connection that was alive a moment ago, opened where there is none. Waits for the pause after a failure. Throws StepFailure;
   * the reason of `signal`.
   */
  async connectionFor(wanted: WantedConnection, signal: AbortSignal): Promise<McpConnection> {
    const key = keyOf(wanted);
    const known = this.pooled.get(key);
    if (known) {
      known.usedAt = performance.now();
      const connection = await unlessAborted(known.opening, signal);
      await unlessAborted(connection.trusted(), signal);
      if (!connection.isOver) return connection;
    }
    await this.pauses.over(key, wanted.server.name, signal);
    return unlessAborted((this.pooled.get(key) ?? this.open(key, wanted)).opening, signal);
  }

  /** A call went well: whatever failed before is forgotten. */
  worked(wanted: WantedConnection): void {
    this.pauses.forget(keyOf(wanted));
  }

  /** Ends every connection and process; calls under way and later ones fail. */
  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.sweep);
    this.closing.abort(new ConnectionBroken('mcp_server_unavailable', 'is not connected to any more: this service is shutting down'));
    const all = [...this.pooled.values()];
    this.pooled.clear();
    await Promise.all(all.map(({ opening }) => opening.then((connection) => connection.close()).catch(() => undefined)));
  }

  /** Calls under way. */
  get calls(): number {
    return [...this.pooled.values()].reduce((sum, { connection }) => sum + (connection?.active ?? 0), 0);
  }

  /** Of the processes that run. */
  get pids(): readonly number[] {
    return [...this.pooled.values()].flatMap(({ connection }) => connection?.pid ?? []);
  }

  private get idleMs(): number {
    return this.options.idleMs ?? MCP_LIMITS.idleMs;
  }

  private open(key: string, wanted: WantedConnection): Pooled {
    this.makeRoom(wanted.server);
    const { server, headers } = wanted;
    const eraKey = JSON.stringify([server.kind, server.name, server.version]);
    const { outbound, stderr } = this.options;
    const startedAt = performance.now();
    const opening = McpConnection.open(
      {
        server,
        headers,
        era: this.eras.get(eraKey) ?? null,
        outbound,
        stderr: (text) => stderr(server.name, text),
        signal: this.closing.signal,
      },
      () => this.onEnd(key, pooled, startedAt),
    ).then(
      (connection) => {
        this.eras.set(eraKey, connection.era);
        pooled.connection = connection;
        return connection;
      },
      (error: unknown) => {
        this.drop(key, pooled);
        this.pauses.failed(key);
        throw failureOf(error, server.name);
      },
    );
    const pooled: Pooled = { kind: server.kind, opening, connection: null, usedAt: startedAt };
    opening.catch(() => undefined); // each caller hears of it
    this.pooled.set(key, pooled);
    return pooled;
  }

  /** A process that ends soon after its start failed; one that lived may start again at once. */
  private onEnd(key: string, pooled: Pooled, startedAt: number): void {
    const wasOpen = pooled.connection !== null;
    const wasKept = this.drop(key, pooled);
    if (wasKept && wasOpen && pooled.kind === 'stdio' && performance.now() - startedAt < MCP_LIMITS.longestPauseMs) this.pauses.failed(key);
  }

  private drop(key: string, pooled: Pooled): boolean {
    if (this.pooled.get(key) !== pooled) return false;
    return this.pooled.delete(key);
  }

  private makeRoom({ kind, name }: McpServer): void {
    if (this.closed) throw unavailable(`This service is shutting down; ${name} is not connected to any more.`);
    const most = kind === 'stdio' ? (this.options.processes ?? MCP_LIMITS.processes) : MCP_LIMITS.connections;
    const same = [...this.pooled].filter(([, pooled]) => pooled.kind === kind);
    if (same.length < most) return;
    const idle = same.filter(([, { connection }]) => connection?.active === 0).sort(([, a], [, b]) => a.usedAt - b.usedAt);
    const [longest] = idle;
    if (!longest) throw unavailable(`As many MCP servers as may are in use on this node (${most}); ${name} has to wait.`);
    this.giveUp(...longest);
  }

  private giveUpIdle(): void {
    const now = performance.now();
    for (const [key, pooled] of this.pooled) {
      if (pooled.connection?.active === 0 && now - pooled.usedAt > this.idleMs) this.giveUp(key, pooled);
    }
  }

  private giveUp(key: string, pooled: Pooled): void {
    this.drop(key, pooled);
    pooled.connection?.close().catch(() => undefined);
  }
}

const keyOf = ({ tenantId, server, credential }: WantedConnection): string =>
  JSON.stringify([tenantId, server.kind, server.name, server.version, credential]);

function unavailable(message: string): StepFailure {
  return new StepFailure('mcp_server_unavailable', message);
}
