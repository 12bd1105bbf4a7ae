/** Options of the benchmark: `--name value`, each a known one; anything else says so and exits 2. */
const KNOWN = {
  clients: { initial: '64', check: (v) => /^[1-9]\d{0,3}(,[1-9]\d{0,3})*$/.test(v), hint: 'numbers of clients, comma-separated' },
  seconds: { initial: '8', check: (v) => /^[1-9]\d{0,3}$/.test(v), hint: 'seconds per measurement' },
  workloads: {
    initial: 'ceiling,W1,W1-poll,W1-effects,W2,W2-effects,W3,W3-effects,hello-python',
    check: (v) => /^[\w,-]+$/.test(v),
    hint: 'names of workloads, comma-separated',
  },
  stored: { initial: '0', check: (v) => /^\d{1,8}$/.test(v), hint: 'executions stored before anything is measured' },
  waiting: { initial: '10000', check: (v) => /^[1-9]\d{0,6}$/.test(v), hint: 'executions that wait in W6' },
  rounds: { initial: '1', check: (v) => /^[1-9]\d?$/.test(v), hint: 'rounds; the median is shown' },
};

export function readOptions(argv) {
  const chosen = Object.fromEntries(Object.entries(KNOWN).map(([name, { initial }]) => [name, initial]));
  for (let i = 0; i < argv.length; i += 2) {
    const name = argv[i].replace(/^--/, '');
    const known = Object.hasOwn(KNOWN, name) && argv[i].startsWith('--') ? KNOWN[name] : undefined;
    if (!known)
      refuse(
        `unknown option ${argv[i]}; known: ${Object.entries(KNOWN)
          .map(([key, { hint }]) => `--${key} <${hint}>`)
          .join('  ')}`,
      );
    if (argv[i + 1] === undefined || !known.check(argv[i + 1])) refuse(`--${name} needs ${known.hint}`);
    chosen[name] = argv[i + 1];
  }
  return {
    clients: chosen.clients.split(',').map(Number),
    seconds: Number(chosen.seconds),
    workloads: chosen.workloads.split(','),
    rounds: Number(chosen.rounds),
    stored: Number(chosen.stored),
    waiting: Number(chosen.waiting),
  };
}

export function refuse(message) {
  console.error(`bench: ${message}`);
  process.exit(2);
}
