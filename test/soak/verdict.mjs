import { median, quantile, trend } from './statistics.mjs';

/** The figures of the promise (T12), and from when on a run can show them. */
export const BOUNDS = {
  rssMiBPerHour: 1,
  sizeFactor: 2,
  p99Drift: 0.2,
  hours: 0.5,
  startedShare: 0.95,
  /** Memory that wavers by more hides what is to be shown: as much as the bound would be for a day's load that goes by in an hour. */
  rssNoiseMiBPerHour: 24,
};
const WARM_UP = 0.2;
/** By how much medians of counts may differ. */
const COUNT_SLACK = { share: 0.1, number: 5 };

/**
 * What the samples say of each bound.
 * @param {readonly object[]} samples of the sampler
 * @returns {{ name: string, state: 'held' | 'broken' | 'open', text: string }[]} `open`: this run cannot tell
 */
export function judge(samples) {
  const until = samples.at(-1)?.t ?? 0;
  const warm = samples.filter(({ t }) => t >= WARM_UP * until);
  if (warm.length < 8) return [{ name: 'samples', state: 'open', text: `only ${warm.length} samples after warm-up` }];
  const quarter = Math.floor(warm.length / 4);
  const [first, last] = [warm.slice(0, quarter), warm.slice(-quarter)];
  const medians = (of) => [median(first.map(of)), median(last.map(of))];
  return [
    memory(warm, medians),
    flat(
      'open files and pipes',
      medians(({ files }) => files),
    ),
    flat(
      'sockets without those of the load',
      medians(({ sockets, clients }) => sockets - clients),
    ),
    flat(
      'database sessions',
      medians(({ sessions }) => sessions),
    ),
    size(samples, last),
    latency(first, last, medians),
  ];
}

function memory(warm, medians) {
  const line = (of) => trend(warm.map((sample) => ({ t: sample.t, value: of(sample) })));
  const { slope, noise } = line(({ rssMiB }) => rssMiB);
  const [before, after] = medians(({ rssMiB }) => rssMiB);
  const kinds = ['heap_used', 'heap_total', 'external', 'array_buffers'].map((kind) => {
    const { slope: s, noise: n } = line(({ memoryMiB }) => memoryMiB[kind] ?? 0);
    return `${kind} ${signed(s)} ± ${n.toFixed(1)}`;
  });
  const limit = BOUNDS.rssMiBPerHour;
  const state = slope - noise > limit ? 'broken' : noise > BOUNDS.rssNoiseMiBPerHour ? 'open' : 'held';
  const told =
    state === 'open'
      ? 'it wavers too much to tell'
      : state === 'held' && slope + noise > limit
        ? 'not told from flat; only a longer run can show the bound itself'
        : '';
  return {
    name: 'memory',
    state,
    text:
      `RSS ${signed(slope)} ± ${noise.toFixed(1)} MiB/h after warm-up (bound ${limit})${told === '' ? '' : `: ${told}`}; ` +
      `median of the first quarter ${before.toFixed(0)} MiB, of the last ${after.toFixed(0)}; MiB/h by kind: ${kinds.join(', ')}; ` +
      `child processes ${signed(line(({ childrenMiB }) => childrenMiB).slope)}`,
  };
}

function flat(name, [before, after]) {
  const slack = Math.max(COUNT_SLACK.number, before * COUNT_SLACK.share);
  return {
    name,
    state: after > before + slack ? 'broken' : 'held',
    text: `${name}: median of the first quarter ${before}, of the last ${after} (at most ${slack.toFixed(0)} more)`,
  };
}

/**
 * The rows of all that is there when retention first removes something are live, so the size of that moment is the live one. From then on
 * space is used again: the largest size of the last quarter against it.
 */
function size(samples, last) {
  const removed = ({ tables }) => tables.execution?.deleted ?? 0;
  const rounds = [];
  for (let i = 1; i < samples.length; i++)
    if (removed(samples[i]) > removed(samples[i - 1]) && (i === 1 || removed(samples[i - 1]) === removed(samples[i - 2]))) rounds.push(i);
  const end = samples.at(-1);
  const largest = Object.entries(end.tables)
    .sort(([, a], [, b]) => b.mib - a.mib)
    .slice(0, 6)
    .map(([name, { mib, live, dead }]) => `${name} ${mib.toFixed(0)} MiB (${live} live, ${dead} dead)`);
  const keys = end.tables.idempotency_key;
  const perKey = keys === undefined || keys.live === 0 ? '-' : ((end.keysMiB * 1_048_576) / keys.live).toFixed(0);
  const about = `largest at the end: ${largest.join(', ')}; idempotency keys, kept for a day, apart: ${end.keysMiB.toFixed(0)} MiB, ${perKey} bytes each`;
  if (rounds.length < 2)
    return { name: 'size', state: 'open', text: `${rounds.length} rounds of retention removed something, two are needed; ${about}` };
  const reference = Math.max(...samples.slice(0, rounds[0] + 1).map(({ sizeMiB }) => sizeMiB));
  const peak = Math.max(...last.map(({ sizeMiB }) => sizeMiB));
  return {
    name: 'size',
    state: peak > BOUNDS.sizeFactor * reference ? 'broken' : 'held',
    text: `tables and indexes at most ${peak.toFixed(0)} MiB in the last quarter, ${(peak / reference).toFixed(2)} times the ${reference.toFixed(0)} MiB of when retention first removed something (bound ${BOUNDS.sizeFactor}), after ${rounds.length} rounds; ${about}`,
  };
}

function latency(first, last, medians) {
  const of = ({ latencies }) => latencies.pure?.p99 ?? 0;
  const [before, after] = medians(of);
  const drift = before === 0 ? 0 : after / before - 1;
  const within = (samples) => {
    const values = samples.map(of);
    return `${quantile(values, 0.25).toFixed(1)} to ${quantile(values, 0.75).toFixed(1)}`;
  };
  const [p50Before, p50After] = medians(({ latencies }) => latencies.pure?.p50 ?? 0);
  return {
    name: 'latency',
    state: drift > BOUNDS.p99Drift ? 'broken' : 'held',
    text:
      `p99 of start and wait: ${before.toFixed(1)} ms in the first quarter after warm-up (half of the windows ${within(first)}), ${after.toFixed(1)} ms in the last ` +
      `(${within(last)}): ${signed(drift * 100)} % (bound ${BOUNDS.p99Drift * 100}); p50 ${p50Before.toFixed(1)} and ${p50After.toFixed(1)} ms`,
  };
}

const signed = (value) => `${value < 0 ? '' : '+'}${value.toFixed(1)}`;

/** @returns why a run proves nothing, empty where it does */
export function lacks({ hours, planned, started, judged }) {
  const reasons = [];
  if (hours < BOUNDS.hours) reasons.push(`load for ${hours.toFixed(2)} hours, at least ${BOUNDS.hours} are needed`);
  if (started < BOUNDS.startedShare * planned)
    reasons.push(`${started} of ${planned} planned executions were started, ${BOUNDS.startedShare * 100} % are needed`);
  for (const { name, state } of judged) if (state === 'open') reasons.push(`${name} could not be judged`);
  return reasons;
}
