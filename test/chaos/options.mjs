import { DECKS } from './nemesis/decks.mjs';

/** Not to be asked for by name: the profile has it, or it has no faults. */
const PRIVATE_DECKS = new Set(['short', 'none']);

/** A check for options: a number from `low` to `high`. */
export const number = (low, high) => (text) => /^\d+(\.\d+)?$/.test(text) && Number(text) >= low && Number(text) <= high;

export const SEED = {
  initial: null,
  check: (text) => /^[\w-]{1,40}$/.test(text),
  hint: 'any word; the same one makes the same playbooks and faults',
};

const CHAOS = {
  minutes: { initial: '10', check: number(0.1, 1_440), hint: 'how long clients and faults go on, 0.1 to 1440' },
  seed: SEED,
  nodes: { initial: '2', check: (text) => /^[2-5]$/.test(text), hint: '2 to 5 nodes' },
  clients: { initial: '32', check: (text) => /^([1-9]|[1-5]\d|6[0-4])$/.test(text), hint: '1 to 64 clients' },
  lease: { initial: '3', check: number(1, 60), hint: 'LEASE_SECONDS of the nodes, 1 to 60' },
  deck: {
    initial: null,
    check: (text) => Object.hasOwn(DECKS, text) && !PRIVATE_DECKS.has(text),
    hint: `a deck of faults: ${Object.keys(DECKS)
      .filter((name) => !PRIVATE_DECKS.has(name))
      .join(', ')}; without it that of the profile`,
  },
  profile: { initial: 'full', check: (text) => /^(full|short)$/.test(text), hint: 'full, or short: the run of the test command' },
};

const TEETH = {
  seed: SEED,
  minutes: { initial: '10', check: number(0.1, 60), hint: 'within so long each seeded bug must be caught' },
  only: { initial: null, check: (text) => /^[a-z_]+(,[a-z_]+)*$/.test(text), hint: 'names of seeded bugs, comma-separated' },
};

/** Reads `--name value` options; a wrong one says so and exits 2. A seed that is not given is made. */
export function read(command, known, argv) {
  const chosen = Object.fromEntries(Object.entries(known).map(([name, { initial }]) => [name, initial]));
  for (let i = 0; i < argv.length; i += 2) {
    const name = argv[i].startsWith('--') ? argv[i].slice(2) : '';
    if (!Object.hasOwn(known, name)) {
      const hints = Object.entries(known).map(([key, { hint }]) => `  --${key} <${hint}>`);
      refuse(command, `unknown option ${argv[i]}; known:\n${hints.join('\n')}`);
    }
    if (argv[i + 1] === undefined || !known[name].check(argv[i + 1])) refuse(command, `--${name} needs ${known[name].hint}`);
    chosen[name] = argv[i + 1];
  }
  return { ...chosen, seed: chosen.seed ?? String(Date.now()) };
}

export function chaosOptions(argv) {
  const { minutes, seed, nodes, clients, lease, profile, deck } = read('chaos', CHAOS, argv);
  return {
    minutes: Number(minutes),
    seed,
    nodes: Number(nodes),
    clients: Number(clients),
    leaseMs: Number(lease) * 1000,
    profile,
    deck: deck ?? profile,
  };
}

export function teethOptions(argv, names) {
  const { seed, minutes, only } = read('chaos:teeth', TEETH, argv);
  const chosen = only === null ? names : only.split(',');
  for (const name of chosen)
    if (!names.includes(name)) refuse('chaos:teeth', `no seeded bug is called ${name}; there are: ${names.join(', ')}`);
  return { seed, minutes: Number(minutes), only: chosen };
}

/** Says what is wrong with the command line, and exits 2. */
export function refuse(command, message) {
  console.error(`${command}: ${message}`);
  process.exit(2);
}
