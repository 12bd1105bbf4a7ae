import { createConnection, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import pg from 'pg';
import { type DatabaseTarget } from '../engine/database-port.js';
import { type Tunnel } from '../outbound/egress-proxy.js';

const CONNECT_TIMEOUT_MS = 10_000;
const END_TIMEOUT_MS = 2_000;
const CANCEL_REQUEST = 80_877_102;
/** The server looks this often whether we are still there while it works (D15); PostgreSQL 14 and newer. */
const CLIENT_CHECK_MS = 2_000;

/** What every session begins with, whatever the role's or the database's own settings are. */
const SESSION = [
  "SET standard_conforming_strings = 'on'",
  "SET client_encoding = 'UTF8'",
  "SET datestyle = 'ISO'",
  "SET bytea_output = 'hex'",
];

/** One connection to an address that was checked. It serves one step at a time and forgets everything in between. */
export class DatabaseConnection {
  private readonly parameters = new Map<string, string>();
  private closing = false;
  private checksClient = false;
  /** Called once when the connection is gone, for whatever reason. */
  onEnd: () => void = () => undefined;

  private constructor(
    private readonly target: DatabaseTarget,
    private readonly address: string,
    readonly client: pg.Client,
    private readonly dial: Dial | null,
  ) {
    this.client.connection.on('parameterStatus', ({ parameterName, parameterValue }: { parameterName: string; parameterValue: string }) =>
      this.parameters.set(parameterName, parameterValue),
    );
    // Without a listener one terminated connection would end the process (R6).
    this.client.on('error', () => this.ended());
    this.client.on('end', () => this.ended());
  }

  /** Opens connections to exactly `address`, through `tunnel` where there is one. They throw the driver's error, or OutboundError. */
  static opener(target: DatabaseTarget, address: string, tunnel: Tunnel | null): () => Promise<DatabaseConnection> {
    const dial = tunnel === null ? null : dialler(tunnel, address, target.port);
    let encrypted = target.sslMode !== 'disable';
    return async () => {
      try {
        return await DatabaseConnection.connect(target, address, encrypted, dial);
      } catch (error) {
        if (target.sslMode !== 'prefer' || !(error instanceof Error) || !error.message.includes('does not support SSL')) throw error;
        encrypted = false;
        return DatabaseConnection.connect(target, address, encrypted, dial);
      }
    };
  }

  private static async connect(
    target: DatabaseTarget,
    address: string,
    encrypted: boolean,
    dial: Dial | null,
  ): Promise<DatabaseConnection> {
    const stream = dial === null ? null : standing(await dial(CONNECT_TIMEOUT_MS));
    const client = new pg.Client({
      host: address,
      port: target.port,
      user: target.user,
      // A function, because the driver asks the environment of this process where a text is empty.
      password: () => target.password,
      database: target.database,
      ssl: encrypted ? tlsOptions(target) : false,
      application_name: 'showrunner:step',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: 10_000,
      ...(stream === null ? {} : { stream: () => stream }),
    });
    const connection = new DatabaseConnection(target, address, client, dial);
    try {
      await client.connect();
      if (Number.parseInt(connection.parameters.get('server_version') ?? '0', 10) >= 14) {
        connection.checksClient = await client.query(`SET client_connection_check_interval = ${CLIENT_CHECK_MS}`).then(
          () => true,
          () => false, // not on every system
        );
      }
      return connection;
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  get isOpen(): boolean {
    return !this.closing;
  }

  /** I: none, T: a transaction block, E: a failed one. */
  get transactionStatus(): string | null {
    return this.client.getTransactionStatus();
  }

  get backslashEscapes(): boolean {
    return this.parameters.get('standard_conforming_strings') === 'off';
  }

  /** In any other encoding a byte of a text could be taken for half of a character, and a quote with it. */
  get isUtf8(): boolean {
    return (this.parameters.get('client_encoding') ?? 'UTF8').toUpperCase() === 'UTF8';
  }

  /** One round trip before a step's first statement. */
  async prepare(statementTimeoutMs: number | null): Promise<void> {
    const { schema } = this.target;
    const settings = [...SESSION, `SET statement_timeout = ${Math.ceil(statementTimeoutMs ?? 0)}`];
    if (schema !== null) settings.push(`SET search_path = "${schema.replaceAll('"', '""')}", public`);
    if (this.checksClient) settings.push(`SET client_connection_check_interval = ${CLIENT_CHECK_MS}`);
    await this.client.query(settings.join('; '));
  }

  /** Forgets what the last step left: settings, temporary tables, locks, an open transaction. False: it could not. */
  async reset(): Promise<boolean> {
    if (this.closing) return false;
    const work = (async () => {
      if (this.transactionStatus !== 'I') await this.client.query('ROLLBACK');
      await this.client.query('DISCARD ALL');
      return true;
    })().catch(() => false);
    const late = new AbortController();
    const isReset = await Promise.race([work, sleep(END_TIMEOUT_MS * 2, false, { signal: late.signal, ref: false }).catch(() => false)]);
    late.abort();
    return isReset;
  }

  /** Asks the server, over a connection of its own, to give up what runs; resolves when it has been told. */
  async cancel(): Promise<void> {
    const { processID, secretKey } = this.client as unknown as { readonly processID: number | null; readonly secretKey: number | null };
    if (processID === null || secretKey === null || this.closing) return;
    const message = Buffer.alloc(16);
    message.writeInt32BE(16, 0);
    message.writeInt32BE(CANCEL_REQUEST, 4);
    message.writeInt32BE(processID, 8);
    message.writeInt32BE(secretKey, 12);
    const tunnelled = this.dial === null ? null : await this.dial(END_TIMEOUT_MS).catch(() => undefined);
    if (tunnelled === undefined) return;
    await new Promise<void>((resolve) => {
      const socket = tunnelled ?? createConnection({ host: this.address, port: this.target.port, timeout: END_TIMEOUT_MS });
      if (tunnelled) socket.setTimeout(END_TIMEOUT_MS).end(message);
      else socket.once('connect', () => socket.end(message));
      socket.once('timeout', () => socket.destroy());
      socket.once('error', () => undefined);
      socket.once('close', () => resolve());
      socket.resume(); // the server closes without an answer
    });
  }

  /** Ends it at once; a statement that runs is no longer waited for. */
  close(): void {
    if (!this.closing) void this.client.end().catch(() => undefined);
    this.client.connection.stream.destroy();
    this.ended();
  }

  private ended(): void {
    if (this.closing) return;
    this.closing = true;
    this.onEnd();
  }
}

/** A new connection to the address, by way of the proxy. */
type Dial = (timeoutMs: number) => Promise<Socket>;

const dialler =
  (tunnel: Tunnel, address: string, port: number): Dial =>
  (timeoutMs) =>
    tunnel({ host: address, port, addresses: [] }, AbortSignal.timeout(timeoutMs));

/** The driver connects its stream itself and waits to hear of it; this one stands already. */
function standing(socket: Socket): Socket {
  return Object.assign(socket, {
    connect: () => {
      setImmediate(() => socket.emit('connect'));
      return socket;
    },
  });
}

/** As libpq: `require` encrypts and asks nobody who the other side is. */
function tlsOptions({ sslMode, host, sslRootCertificate }: DatabaseTarget): pg.ClientConfig['ssl'] {
  const name = /^[\d.]+$|:/.test(host) ? { host } : { host, servername: host };
  const trusted = sslRootCertificate === null ? {} : { ca: sslRootCertificate };
  if (sslMode === 'verify-full') return { ...name, ...trusted, rejectUnauthorized: true };
  if (sslMode === 'verify-ca') return { ...name, ...trusted, rejectUnauthorized: true, checkServerIdentity: () => undefined };
  return { ...name, rejectUnauthorized: false };
}
