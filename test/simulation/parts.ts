import { type EventRow } from './tables.js';

/** What is said of the parts of an action: a place below the step, and what about it. */
interface Said {
  readonly path: string;
  readonly what: 'begins' | 'acted' | 'over' | 'iterates' | 'calls' | 'has called';
  readonly attempt?: number | undefined;
}

const TELLS = new Set([
  'action_started',
  'action_completed',
  'action_acted',
  'loop_started',
  'loop_iteration',
  'child_started',
  'child_completed',
]);
export const tellsOfParts = (type: string): boolean => TELLS.has(type);

function saidBy({ event_type: type, content }: EventRow): Said[] {
  const { path = '', parts = [], items = [] } = content;
  switch (type) {
    case 'action_started':
      return parts.map((part) => ({ path: part.path, what: 'begins', attempt: part.attempt }));
    case 'action_completed':
      return parts.map((part) => ({ path: part.path, what: part.acted ? 'acted' : 'over' }));
    case 'action_acted':
      return [{ path: '', what: 'acted' }];
    case 'loop_started':
      return [{ path, what: 'iterates' }];
    case 'child_started':
      return [{ path, what: 'calls' }];
    case 'child_completed':
      return [{ path, what: 'has called' }];
    case 'loop_iteration':
      return items.map(({ index }) => ({ path: path === '' ? String(index) : `${path}/${index}`, what: 'over' }));
    default:
      return [];
  }
}

const isWithin = (path: string, outer: string): boolean => path === outer || path.startsWith(`${outer}/`);

/** Whether the event says that the action of this part is over, itself or with what it stands in. */
export function endsPart(event: EventRow, part: string): boolean {
  return saidBy(event).some(({ path, what }) => (what === 'acted' && path === part) || (what === 'over' && isWithin(part, path)));
}

/** Each part begins an attempt once, ends once, and nothing is said of it afterwards. @param events of the execution, this one among them */
export function partsRecorded(event: EventRow, events: readonly EventRow[], violate: (message: string) => void): void {
  const { step, seq, event_type: type, content } = event;
  const before = events.filter((each) => each.seq < seq && each.step === step && each.content.wave === content.wave);
  const known = before.flatMap(saidBy);
  if (
    before.some(
      ({ event_type, content: { reason } }) => event_type.startsWith('step_') && event_type !== 'step_started' && reason !== 'retry',
    )
  )
    violate(`${type} of ${step}#${content.wave} after it was over`);
  for (const said of saidBy(event)) {
    const where = `${step}#${content.wave}/${said.path}`;
    if (known.some(({ path, what, attempt }) => path === said.path && what === said.what && attempt === said.attempt))
      violate(`${type} says a second time that ${where} ${said.what}`);
    if (known.some(({ path, what }) => what === 'over' && isWithin(said.path, path)))
      violate(`${type} says that ${where} ${said.what}, and it was over`);
    if (said.what === 'begins' && known.some(({ path, what }) => what === 'acted' && path === said.path))
      violate(`${where} begins again, and its action was over`);
    known.push(said);
  }
}
