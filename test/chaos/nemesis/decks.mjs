const HOUR_MS = 3_600_000;

/**
 * Which faults a run has, each once per shuffle of the deck, and how far apart they begin.
 * @typedef {{ gapMs: number[], faults: string[], overlap?: boolean, atOnce?: number, leave?: number, restartMs?: number, measureServing?: boolean,
 *   roundSeconds?: number, clients?: number, weights?: Record<string, number>, thinkMs?: number,
 *   nodeEnv?: (index: number) => Record<string, string> }} Deck
 *   `overlap`: no fault waits for the one before; `atOnce`: at most so many at a time; `leave`: nothing happens to a node to which something happens already, and at least
 *   so many nodes are left alone;
 *   `restartMs`: a killed node is started again within this; `measureServing`: after faults of the database a start is sent at once, to see when
 *   the service serves again; `roundSeconds`: how long clients and faults go on before all is checked; `clients`, `weights`: another load;
 *   `thinkMs`: how long a client waits before each operation on average, so that nodes that start get some of the machine; `nodeEnv`: what is
 *   special about a node
 */
export const DECKS = {
  full: {
    gapMs: [1_000, 4_000],
    faults: [
      'kill_node',
      'kill_node',
      'kill_node',
      'kill_all',
      'stop_node',
      'stop_node',
      'deploy',
      'deploy',
      'some_backends',
      'all_backends',
      'listening_backends',
      'writing_backends',
      'postgres_fast',
      'postgres_immediate',
      'postgres_crash',
      'drop',
      'reset',
      'black_hole',
      'latency',
      'lost_replies',
      'lost_replies',
      'lost_requests',
      'torn_batches',
      'fault_point',
      'fault_point',
    ],
  },
  short: {
    gapMs: [500, 1_500],
    faults: [
      'kill_node',
      'kill_all',
      'stop_node',
      'some_backends',
      'listening_backends',
      'lost_replies',
      'lost_replies',
      'torn_batches',
      'fault_point',
    ],
  },
  kills: {
    gapMs: [200, 600],
    atOnce: 2,
    leave: 1,
    restartMs: 600,
    thinkMs: 200,
    roundSeconds: 150,
    faults: [...Array(8).fill('kill_node'), 'kill_all'],
  },
  /** Kills that are far enough apart for a lease of 15 s: what one leaves behind is taken over before the next. */
  orphans: { thinkMs: 100, gapMs: [14_000, 17_000], atOnce: 1, restartMs: 600, roundSeconds: 150, faults: ['kill_node'] },
  zombies: { gapMs: [500, 1_000], atOnce: 2, leave: 1, roundSeconds: 150, faults: ['stop_node'] },
  cuts: {
    gapMs: [200, 800],
    roundSeconds: 150,
    faults: [
      ...Array(6).fill('lost_replies'),
      ...Array(2).fill('lost_requests'),
      ...Array(3).fill('torn_batches'),
      ...['drop', 'reset', 'black_hole', 'latency', 'slow_link', 'trickle'],
    ],
  },
  deploys: { thinkMs: 200, gapMs: [300, 900], atOnce: 2, leave: 1, roundSeconds: 150, faults: ['deploy'] },
  database: {
    gapMs: [300, 1_000],
    atOnce: 1,
    measureServing: true,
    roundSeconds: 150,
    faults: [
      ...['postgres_fast', 'postgres_immediate', 'postgres_crash', 'postgres_crash_all', 'backend_crash'],
      ...['some_backends', 'all_backends', 'listening_backends', 'writing_backends', 'one_backend'],
    ],
  },
  keys: {
    gapMs: [1_000, 3_000],
    atOnce: 1,
    restartMs: 600,
    roundSeconds: 120,
    // Each client sends one start 32 times at once.
    clients: 3,
    weights: { same_start: 1 },
    faults: [...Array(4).fill('kill_node'), 'lost_replies'],
  },
  /** Clocks of nodes that are an hour off, and that are set forwards and back every ten seconds, while nodes come and go. */
  clocks: {
    gapMs: [1_000, 3_000],
    roundSeconds: 120,
    nodeEnv: (index) => ({ CHAOS_CLOCK_MS: index === 0 ? `${HOUR_MS}` : `0,${HOUR_MS},${-HOUR_MS}` }),
    faults: ['kill_node', 'kill_node', 'deploy', 'deploy', 'stop_node', 'lost_replies', 'some_backends', 'postgres_fast'],
  },
  none: { gapMs: [1_000, 1_000], faults: [] },
};
