import { availableParallelism } from 'node:os';
import { type SqlPolicy } from '../engine/database-port.js';
import { type AuthenticationSettings } from '../authentication/authentication-settings.js';
import { readIssuers, type TokenIssuer } from '../authentication/issuers-file.js';
import { readKeyRing } from '../credentials/key-ring.js';
import { parseOutboundAllow } from '../outbound/allow-list.js';
import { type StdioMcpServer } from '../mcp-client/mcp-server.js';
import { readMcpServers } from '../mcp-client/servers-file.js';
import { type EgressProxy, parseEgressProxy } from '../outbound/egress-proxy.js';
import { readAuthorities } from '../outbound/trust.js';
import { dataFolder } from './data-folder.js';
import { Environment } from './environment.js';
import { parseRetention, type RetentionRule } from './retention-rules.js';
import { readRequestLimits, type RequestLimits } from './request-limits.js';
import { SettingsError } from './settings-error.js';

const ROLES = ['all', 'api', 'worker'] as const;
const ISOLATIONS = ['auto', 'bubblewrap', 'process'] as const;
const LOG_LEVELS = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
const UNSAFE_SQL = ['allow', 'explicit', 'refuse'] as const;
const FAIL_OR_WARN = ['fail', 'warn'] as const;
const HOST_NAME = /^(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d{1,5})?$/i;
const ORIGIN = /^https?:\/\/[^\s/?#@]+$/i;
const ENVIRONMENT_NAME = /^[A-Za-z_][A-Za-z0-9_]*$/;

export type Role = (typeof ROLES)[number];
export type Isolation = (typeof ISOLATIONS)[number];
export type LogLevel = (typeof LOG_LEVELS)[number];
export type FailOrWarn = (typeof FAIL_OR_WARN)[number];

/** Every setting of the service, read once at boot from the environment and never changed. */
export class Settings {
  readonly host: string;
  /** 0 asks the system for a free one. */
  readonly port: number;
  readonly allowInsecure: boolean;
  /** Origin by which clients know the service (`https://api.example.com`); null: it is not said. */
  readonly publicUrl: string | null;
  /** How callers are known; null: nobody is asked who they are. */
  readonly authentication: AuthenticationSettings | null;
  readonly dataDir: string;
  /** Null: the embedded PostgreSQL below `dataDir`. */
  readonly databaseUrl: string | null;
  /** For LISTEN, which a pooler does not pass on; null with `databaseUrl`. */
  readonly databaseDirectUrl: string | null;
  /** Whether the documents that come with the service are registered when it starts. */
  readonly examples: boolean;
  /** Connections of this node. */
  readonly databasePool: number;
  /** Statements that may wait for one of them; more are refused. */
  readonly databasePoolWaiters: number;
  readonly role: Role;
  readonly leaseSeconds: number;
  readonly maxInFlightRuns: number;
  /** Which finished executions are removed when; empty: none ever. */
  readonly retention: readonly RetentionRule[];
  /** Executions that may wait to be begun, of all nodes together. */
  readonly queue: { readonly perTenant: number; readonly total: number };
  /** File with the master keys of stored secrets; null: made beside an embedded database, none otherwise. */
  readonly encryptionKeyFile: string | null;
  /** Secrets that the operator gives in the environment as NOETL_SECRET_<NAME>, by NAME. */
  readonly secretEnv: Readonly<Record<string, string>>;
  readonly outboundAllow: ReturnType<typeof parseOutboundAllow>;
  /** What every outbound call goes through; null: nothing. */
  readonly outboundProxy: EgressProxy | null;
  /** Whether that proxy is asked for names that this machine cannot resolve, whose addresses nobody here can check. */
  readonly outboundProxyResolves: boolean;
  /** Certificates (PEM) that outbound calls trust besides those of Node. */
  readonly outboundAuthorities: readonly string[];
  /** Connections of this node to one database of playbooks, per login; as many again for the targets of transfers. */
  readonly stepDatabasePool: number;
  /** What the SQL of playbooks may do: whether templates may make SQL text, and how many rows of a statement are kept. */
  readonly sqlPolicy: SqlPolicy;
  /** What templates see as `env`: the variables named in ENV_ALLOW that are set. */
  readonly templateEnv: Readonly<Record<string, string>>;
  /** Absolute path; null: no Python on this machine. */
  readonly python: string | null;
  readonly pythonWorkers: number;
  readonly isolation: Isolation;
  readonly duckdb: {
    readonly workers: number;
    readonly memoryBytes: number;
    /** Null: no extensions. */ readonly extensions: string | null;
  };
  readonly onnx: {
    /** Below it lie the files of models; null: there are none. */
    readonly root: string | null;
    readonly workers: number;
    /** Of each process. */
    readonly memoryBytes: number;
  };
  /** Below it lie the scripts that steps may name as files; null: none may. */
  readonly scriptRoot: string | null;
  /** MCP servers that are processes of this machine. */
  readonly mcpServers: readonly StdioMcpServer[];
  readonly logLevel: LogLevel;
  /** What a broken `assert` does to its step. */
  readonly assertMode: FailOrWarn;
  /** What a save that fails and has no on_error does to its step. */
  readonly saveErrors: FailOrWarn;
  readonly mcp: {
    /** Names by which clients reach the MCP endpoints, beside those of the machine itself and HOST; lower case, with or without a port. */
    readonly allowedHosts: readonly string[];
    /** Origins of browsers that may use them; lower case. */
    readonly allowedOrigins: readonly string[];
    /** How long a call waits for its end before it is answered with where to ask for it. */
    readonly callMs: number;
    /** Streams of change notifications at once. */
    readonly subscriptions: number;
  };
  readonly limits: RequestLimits;
  /** What the operator should know although nothing is wrong. */
  readonly warnings: readonly string[];

  constructor(environment: Environment) {
    this.host = environment.text('HOST') ?? '127.0.0.1';
    this.port = environment.integer('PORT', 8080, { min: 0, max: 65_535 });
    this.allowInsecure = environment.flag('ALLOW_INSECURE');
    this.publicUrl = publicUrl(environment);
    const issuers = environment.parse('AUTH_ISSUERS_FILE', readIssuers);
    const isAsked = issuers.length > 0;
    this.warnings = Object.freeze([
      ...(isAsked ? [] : exposureWarnings(environment, this.host, this.allowInsecure)),
      ...plainTextWarnings(isAsked ? [this.publicUrl, ...issuers.flatMap(({ issuer, jwksUrl }) => [issuer, jwksUrl])] : []),
    ]);
    this.dataDir = dataFolder(environment);
    this.databaseUrl = databaseUrl(environment, 'DATABASE_URL');
    this.databaseDirectUrl = databaseUrl(environment, 'DATABASE_DIRECT_URL') ?? this.databaseUrl;
    if (environment.text('DATABASE_DIRECT_URL') !== null && environment.text('DATABASE_URL') === null) {
      environment.refuse('DATABASE_DIRECT_URL', 'needs DATABASE_URL beside it', null);
    }
    this.examples = environment.flag('EXAMPLES', this.databaseUrl === null);
    this.databasePool = environment.integer('DATABASE_POOL', 10, { min: 2, max: 1_000 });
    this.databasePoolWaiters = environment.integer('DATABASE_POOL_WAITERS', 200, { min: 1, max: 100_000 });
    this.role = environment.oneOf('ROLE', ROLES, 'all');
    this.leaseSeconds = environment.number('LEASE_SECONDS', 15, { min: 1, max: 3_600 });
    this.maxInFlightRuns = environment.integer('MAX_IN_FLIGHT_RUNS', 2_000, { min: 1, max: 1_000_000 });
    this.retention = parseRetention(environment.text('RETENTION') ?? '', (message) => environment.refuse('RETENTION', message, null));
    this.queue = Object.freeze({
      perTenant: environment.integer('MAX_QUEUED_PER_TENANT', 100_000, { min: 1, max: 10_000_000 }),
      total: environment.integer('MAX_QUEUED_TOTAL', 1_000_000, { min: 1, max: 10_000_000 }),
    });
    this.encryptionKeyFile = encryptionKeyFile(environment);
    this.secretEnv = environment.withPrefix('NOETL_SECRET_');
    this.outboundAllow = Object.freeze(environment.parse('OUTBOUND_ALLOW', parseOutboundAllow));
    this.outboundProxy = Object.freeze(environment.parse('OUTBOUND_PROXY', parseEgressProxy));
    this.outboundProxyResolves = environment.flag('OUTBOUND_PROXY_RESOLVES', true);
    this.outboundAuthorities = Object.freeze(environment.parse('OUTBOUND_CA_FILE', readAuthorities));
    this.authentication = authentication(environment, issuers, this);
    this.stepDatabasePool = environment.integer('STEP_DATABASE_POOL', 10, { min: 1, max: 1_000 });
    this.sqlPolicy = Object.freeze({
      unsafe: environment.oneOf('UNSAFE_SQL', UNSAFE_SQL, 'allow'),
      maxRows: environment.integer('SQL_MAX_ROWS', 10_000, { min: 1, max: 1_000_000 }),
    });
    this.templateEnv = Object.freeze(templateEnv(environment));
    this.python = python(environment);
    this.pythonWorkers = environment.integer('PYTHON_WORKERS', availableParallelism(), { min: 1, max: 1_024 });
    this.isolation = environment.oneOf('ISOLATION', ISOLATIONS, 'auto');
    this.duckdb = Object.freeze({
      workers: environment.integer('DUCKDB_WORKERS', 2, { min: 1, max: 1_024 }),
      memoryBytes: environment.integer('DUCKDB_MEMORY_MB', 512, { min: 64, max: 1_048_576 }) * 1_048_576,
      extensions: environment.folder('DUCKDB_EXTENSION_DIR'),
    });
    this.onnx = Object.freeze({
      root: environment.folder('MODEL_ROOT'),
      workers: environment.integer('MODEL_WORKERS', 2, { min: 1, max: 1_024 }),
      memoryBytes: environment.integer('MODEL_MEMORY_MB', 2_048, { min: 128, max: 1_048_576 }) * 1_048_576,
    });
    this.scriptRoot = environment.folder('SCRIPT_ROOT');
    this.mcpServers = Object.freeze(environment.parse('MCP_SERVERS_FILE', readMcpServers));
    this.logLevel = environment.oneOf('LOG_LEVEL', LOG_LEVELS, 'info');
    this.assertMode = environment.oneOf('ASSERT_MODE', FAIL_OR_WARN, 'fail');
    this.saveErrors = environment.oneOf('SAVE_ERRORS', FAIL_OR_WARN, 'fail');
    const lowerCase = (items: readonly string[]): readonly string[] => Object.freeze(items.map((item) => item.toLowerCase()));
    this.mcp = Object.freeze({
      allowedHosts: lowerCase(environment.list('MCP_ALLOWED_HOSTS', HOST_NAME, 'a host name, with or without a port')),
      allowedOrigins: lowerCase(environment.list('MCP_ALLOWED_ORIGINS', ORIGIN, 'an origin such as https://app.example.com')),
      callMs: environment.integer('MCP_CALL_SECONDS', 50, { min: 1, max: 3_600 }) * 1_000,
      subscriptions: environment.integer('MCP_MAX_SUBSCRIPTIONS', 1_024, { min: 1, max: 100_000 }),
    });
    this.limits = readRequestLimits(environment);
    Object.freeze(this);
  }
}

/** Reads all settings. Throws a SettingsError that names every bad one at once. */
export function loadSettings(env: Readonly<Record<string, string | undefined>>): Settings {
  const environment = new Environment(env);
  const settings = new Settings(environment);
  if (environment.problems.length > 0) throw new SettingsError(Object.freeze([...environment.problems]));
  return settings;
}

/** Where nothing asks callers who they are, whoever reaches the port may do everything. */
function exposureWarnings(environment: Environment, host: string, allowInsecure: boolean): string[] {
  if (host === 'localhost' || host === '::1' || /^127(?:\.\d{1,3}){3}$/.test(host)) return [];
  if (!allowInsecure) {
    return environment.refuse(
      'HOST',
      `"${host}" is reachable from other machines, and nothing asks callers who they are: set AUTH_ISSUERS_FILE, or ALLOW_INSECURE=true if that is meant`,
      [],
    );
  }
  return [`HOST ${host} is reachable from other machines and nothing asks callers who they are (ALLOW_INSECURE)`];
}

function publicUrl(environment: Environment): string | null {
  const url = environment.url('PUBLIC_URL', ['http:', 'https:']);
  if (url === null) return null;
  if (url.pathname === '/' && url.search === '' && url.hash === '' && url.username === '') return url.origin;
  return environment.refuse('PUBLIC_URL', 'is more than an origin such as https://api.example.com', null);
}

function authentication(
  environment: Environment,
  issuers: readonly TokenIssuer[],
  { publicUrl: origin, outboundAllow, outboundProxy, outboundProxyResolves, outboundAuthorities }: Settings,
): AuthenticationSettings | null {
  if (issuers.length === 0) return null;
  if (origin === null) {
    // A bad one is refused already.
    if (environment.text('PUBLIC_URL') === null)
      environment.refuse('AUTH_ISSUERS_FILE', 'needs PUBLIC_URL beside it: what tokens for this service have as their audience', null);
    return null;
  }
  const outbound = {
    allow: outboundAllow,
    proxy: outboundProxy,
    proxyResolves: outboundProxyResolves,
    authorities: outboundAuthorities,
  };
  return Object.freeze({ issuers, publicUrl: origin, outbound });
}

/** Who reads along has the tokens, or can make some. */
function plainTextWarnings(addresses: readonly (string | null)[]): string[] {
  const isLocal = ({ hostname }: URL): boolean => /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/.test(hostname);
  const plain = addresses.filter((address) => address !== null && address.startsWith('http:') && !isLocal(new URL(address)));
  return plain.map((address) => `${address} is not https: tokens can be read or forged on the way`);
}

function databaseUrl(environment: Environment, name: string): string | null {
  const url = environment.url(name, ['postgres:', 'postgresql:']);
  if (url === null) return null;
  try {
    decodeURIComponent(`${url.username}${url.password}${url.pathname}`);
    return environment.text(name);
  } catch {
    return environment.refuse(name, 'has a % that begins no percent-encoded character; in a name or password it is written as %25', null);
  }
}

/** Whoever needs the keys reads them; they are read here so that a bad file is listed with the others, before anything is started or migrated. */
function encryptionKeyFile(environment: Environment): string | null {
  const file = environment.text('ENCRYPTION_KEY_FILE');
  if (file === null) return null;
  try {
    readKeyRing(file);
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    environment.problems.push(...error.problems);
  }
  return file;
}

function templateEnv(environment: Environment): Record<string, string> {
  const names = environment.list('ENV_ALLOW', ENVIRONMENT_NAME, 'the name of an environment variable');
  return Object.fromEntries(names.flatMap((name) => environment.verbatim(name).map((value) => [name, value])));
}

function python(environment: Environment): string | null {
  const wanted = environment.text('PYTHON');
  const found = environment.program(wanted ?? 'python3');
  if (wanted !== null && found === null)
    environment.refuse('PYTHON', `there is no program "${wanted}" (an absolute path, or a name on the PATH)`, null);
  return found;
}
