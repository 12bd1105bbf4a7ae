const SETTLES = new Set(['step_completed', 'step_failed', 'step_skipped', 'compensation_completed', 'compensation_failed']);
const STARTS = new Set(['step_started', 'compensation_started']);

const isWithin = (part, outer) => part === outer || part.startsWith(`${outer}/`);

/** The part that a key of an effect names: `<execution>/<step>/<wave>/<part>/action`, where the part may have slashes. */
export function partOf(key) {
  const [execution, step, wave, ...rest] = key.split('/');
  return { execution, step, wave: Number(wave), part: rest.slice(0, -1).join('/') };
}

/**
 * What must be in the history before an attempt: of the step's own action its start, and for a further attempt the start of that one; of a part
 * of it that this attempt begins.
 * @param events of one firing of the step
 */
export function beginOf(events, part, attempt) {
  if (part !== '-')
    return events.find(
      ({ type, parts }) => type === 'action_started' && parts.some((each) => each.path === part && each.attempt === attempt),
    );
  return events.find(({ type, attempt: at }) => (attempt === 1 ? STARTS.has(type) : type === 'step_woken' && at === attempt));
}

/** The event after which nothing of the part may be called: its own end, that of what it stands in, or that of the step. @returns with the `call` that it records */
export function endOf(events, part) {
  for (const event of events) {
    const { type } = event;
    if (SETTLES.has(type)) return part === '-' ? event : { ...event, call: null };
    if (type === 'action_acted' && part === '-') return event;
    const over = type === 'action_completed' ? event.parts : type === 'loop_iteration' ? itemsOf(event) : [];
    const mine = over.find(({ path, acted }) => (acted ? path === part : isWithin(part, path)));
    if (mine !== undefined) return { ...event, call: mine.path === part ? mine.call : null };
  }
  return undefined;
}

const itemsOf = ({ path, items }) =>
  items.map(({ index, call }) => ({ path: path ? `${path}/${index}` : String(index), acted: false, call }));
