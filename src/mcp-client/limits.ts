const MEBIBYTE = 1_048_576;

/** Bounds of what servers may send and of what is kept open for them. */
export const MCP_LIMITS = {
  /** One message: a line of a process, a JSON answer, an event of a stream. */
  messageBytes: 8 * MEBIBYTE,
  /** One answer over HTTP with all its notifications, or one stream of notifications. */
  streamBytes: 32 * MEBIBYTE,
  /** What a process may write at once besides answers: notifications, and lines that are no messages. */
  chatterBytes: 4 * MEBIBYTE,
  /** What of that is forgotten each second. */
  chatterBytesPerSecond: 256 * 1024,
  /** Tools of one server. */
  tools: 1_000,
  /** Pages of one list. */
  pages: 100,
  /** JSON of all definitions of one server. */
  definitionBytes: 4 * MEBIBYTE,
  /** Progress lines that are kept of one call, and characters of each. */
  progressLines: 100,
  progressCharacters: 200,
  /** Characters of what a tool says about its failure. */
  errorCharacters: 2_000,
  /** Characters of what a server says about a request that it refuses. */
  refusalCharacters: 500,
  connectMs: 30_000,
  listMs: 30_000,
  /** How long a process that was asked something new may stay silent about it. Processes of older servers never answer. */
  probeMs: 3_000,
  /** After a call that did not end in time, a process that is alive answers within this. */
  livenessMs: 5_000,
  /** A connection nobody uses. */
  idleMs: 5 * 60_000,
  connections: 256,
  processes: 32,
  /** Failures in a row after which calls fail at once until the pause is over. */
  failures: 5,
  firstPauseMs: 250,
  longestPauseMs: 30_000,
} as const;
