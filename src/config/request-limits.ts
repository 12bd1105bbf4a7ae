import { type Environment } from './environment.js';

/** What one request, and all requests of this node together, may take. */
export interface RequestLimits {
  readonly bodyBytes: number;
  /** Text of one playbook. */
  readonly documentBytes: number;
  /** For reading one playbook; what takes longer is refused. */
  readonly documentTimeoutMs: number;
  /** Playbooks that wait to be read. */
  readonly queuedDocuments: number;
  readonly playbookSteps: number;
  readonly jsonDepth: number;
  /** Values of a body, or of a document after its aliases are expanded. */
  readonly jsonNodes: number;
  readonly jsonKeysPerObject: number;
  readonly jsonItemsPerArray: number;
  readonly headerBytes: number;
  readonly headersTimeoutMs: number;
  /** Waits and streams are exempt. */
  readonly requestTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly connections: number;
  /** Requests in work at once; those that wait for a run to end are counted by `waitingRequests` instead. */
  readonly inFlightRequests: number;
  readonly waitingRequests: number;
  /** Streams of events that one tenant may have open on this node. */
  readonly streamsPerTenant: number;
}

const MILLION = 1_000_000;
const KIBIBYTE = 1024;
const MEBIBYTE = 1024 * KIBIBYTE;
const GIBIBYTE = 1024 * MEBIBYTE;
const HOUR_MS = 3_600_000;

export function readRequestLimits(environment: Environment): RequestLimits {
  const count = (name: string, standard: number, max = 100 * MILLION): number => environment.integer(name, standard, { min: 1, max });
  const bytes = (name: string, standard: number): number => environment.integer(name, standard, { min: KIBIBYTE, max: GIBIBYTE });
  const milliseconds = (name: string, standard: number): number => environment.integer(name, standard, { min: 100, max: HOUR_MS });
  return Object.freeze({
    bodyBytes: bytes('MAX_BODY_BYTES', MEBIBYTE),
    documentBytes: bytes('MAX_DOCUMENT_BYTES', 512 * KIBIBYTE),
    documentTimeoutMs: milliseconds('DOCUMENT_TIMEOUT_MS', 10_000),
    queuedDocuments: count('MAX_QUEUED_DOCUMENTS', 32),
    playbookSteps: count('MAX_PLAYBOOK_STEPS', 1_000, 10_000),
    jsonDepth: count('MAX_JSON_DEPTH', 64, 500), // far below what a recursive walk over the value can stand
    jsonNodes: count('MAX_JSON_NODES', 100_000),
    jsonKeysPerObject: count('MAX_JSON_KEYS', 10_000),
    jsonItemsPerArray: count('MAX_JSON_ITEMS', 50_000),
    headerBytes: bytes('HTTP_MAX_HEADER_BYTES', 16 * KIBIBYTE),
    headersTimeoutMs: milliseconds('HTTP_HEADERS_TIMEOUT_MS', 10_000),
    requestTimeoutMs: milliseconds('HTTP_REQUEST_TIMEOUT_MS', 30_000),
    idleTimeoutMs: milliseconds('HTTP_IDLE_TIMEOUT_MS', 5_000),
    connections: count('HTTP_MAX_CONNECTIONS', 2_000),
    inFlightRequests: count('HTTP_MAX_IN_FLIGHT', 512),
    waitingRequests: count('MAX_WAITING_REQUESTS', 2_000),
    streamsPerTenant: count('MAX_STREAMS_PER_TENANT', 1_000), // half of the connections
  });
}
