import { number, read, refuse, SEED } from '../chaos/options.mjs';

const MINUTES = { initial: null, check: number(0.1, 1_440), hint: 'how long the load or the faults go on, 0.1 to 1440' };

/** `<trial> [--minutes N] [--seed S]`, and what the trial itself asks for; anything else says so and exits 2. */
export function trialOptions([name, ...rest], trials) {
  if (name === undefined || !Object.hasOwn(trials, name)) {
    const known = Object.entries(trials).map(([trial, { about }]) => `  ${trial}  ${about}`);
    refuse('trial', `${name === undefined ? 'which one?' : `no trial is called ${name}.`} There are:\n${known.join('\n')}`);
  }
  const { minutes, seed, ...own } = read('trial', { minutes: MINUTES, seed: SEED, ...trials[name].options }, rest);
  for (const [option, value] of Object.entries(own))
    if (value === null) refuse('trial', `--${option} needs ${trials[name].options[option].hint}`);
  return { name, minutes: Number(minutes ?? trials[name].minutes), seed, own };
}
