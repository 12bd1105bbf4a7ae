import { type Clock } from '../ports.js';
import { type Report, type RunErrorDetails, type RunEvent } from '../run/events.js';
import { type ItemStop, type PartStart, type PartStop } from '../run/parts.js';
import { type Json } from '../values.js';
import { aboutCharacters } from './about.js';

/** An event about the parts of an action, without the place of the action. */
export type PartsEvent =
  | { readonly type: 'action_started'; readonly parts: readonly PartStart[] }
  | { readonly type: 'action_completed'; readonly parts: readonly PartStop[] }
  | {
      readonly type: 'child_started';
      readonly path: string;
      readonly childId: string;
      readonly childPath: string;
      readonly childVersion: string;
    }
  | {
      readonly type: 'child_completed';
      readonly path: string;
      readonly childId: string;
      readonly status: 'completed' | 'failed' | 'cancelled';
      readonly error: RunErrorDetails | null;
      readonly value: Json;
    }
  | (Report & { readonly path: string })
  | (Report & { readonly ofAction: true; readonly path?: string })
  | { readonly type: 'loop_started'; readonly path: string; readonly items: readonly Json[] }
  | { readonly type: 'loop_iteration'; readonly path: string; readonly items: readonly ItemStop[] }
  | ({ readonly type: 'action_retry'; readonly path: string } & Pick<
      Extract<RunEvent, { type: 'action_retry' }>,
      'attempt' | 'maxAttempts' | 'delayMs' | 'dueAt' | 'error'
    >);

/** One event tells of so many parts at most, and of about so many characters (D24). */
const CHUNK = { parts: 500, characters: 200_000 } as const;
/** What nobody waits for is written this much later at the latest, so that readers see a loop get on. */
const NOTE_MS = 250;

/**
 * What a program tells of its parts, on its way into the history. Whoever must not go on before it is committed awaits it; what is only to be kept
 * is noted. All that is told in one turn of the event loop goes into one event of each kind.
 */
export class Journal {
  private starts: PartStart[] = [];
  private stops: PartStop[] = [];
  private items = new Map<string, ItemStop[]>();
  private noted = 0;
  private characters = 0;
  private waiters: (() => void)[] = [];
  private soon: (() => void) | null = null;
  private later: (() => void) | null = null;

  /** @param write hands events to the run; resolves once they are committed, and never where the run lets go of the program */
  constructor(
    private readonly clock: Clock,
    private readonly write: (events: readonly PartsEvent[]) => Promise<void>,
    /** Counts what is awaited as under way. */
    private readonly during: (work: Promise<void>) => Promise<void>,
  ) {}

  start(part: PartStart): Promise<void> {
    this.starts.push(part);
    return this.committed();
  }

  stop(part: PartStop): Promise<void> {
    this.stops.push(part);
    return this.committed();
  }

  stopItem(loop: string, item: ItemStop): Promise<void> {
    this.listOf(loop).push(item);
    return this.committed();
  }

  /** A part without effects: a crash before it is written repeats it, and nobody sees it. */
  note(part: PartStop, characters: number): void {
    this.stops.push(part);
    this.keep(characters);
  }

  noteItem(loop: string, item: ItemStop, characters: number): void {
    this.listOf(loop).push(item);
    this.keep(characters);
  }

  /** A loop begins, a part is to be tried again, or says something: written at once, after what was told before. */
  tell(event: PartsEvent): Promise<void> {
    return this.flush(event);
  }

  /** Writes all that was told. */
  flush(last?: PartsEvent): Promise<void> {
    this.close();
    const events: PartsEvent[] = [];
    for (const parts of cut(this.starts)) events.push({ type: 'action_started', parts });
    for (const parts of cut(this.stops)) events.push({ type: 'action_completed', parts });
    for (const [path, all] of this.items) for (const items of cut(all)) events.push({ type: 'loop_iteration', path, items });
    if (last) events.push(last);
    const { waiters } = this;
    this.starts = [];
    this.stops = [];
    this.items = new Map();
    this.waiters = [];
    this.noted = this.characters = 0;
    const written = events.length === 0 ? Promise.resolve() : this.write(events);
    if (waiters.length > 0) void written.then(() => waiters.forEach((go) => go()));
    return written;
  }

  /** Whether something was told that is not on its way yet. */
  get isBehind(): boolean {
    return this.starts.length + this.stops.length + this.items.size > 0;
  }

  /** Nothing is written later by itself. */
  close(): void {
    this.soon?.();
    this.later?.();
    this.soon = this.later = null;
  }

  private listOf(loop: string): ItemStop[] {
    let items = this.items.get(loop);
    if (!items) this.items.set(loop, (items = []));
    return items;
  }

  private committed(): Promise<void> {
    this.soon ??= this.clock.after(0, () => void this.flush());
    return this.during(new Promise((resolve) => this.waiters.push(resolve)));
  }

  private keep(characters: number): void {
    this.noted += 1;
    this.characters += characters;
    if (this.noted >= CHUNK.parts || this.characters >= CHUNK.characters) void this.flush();
    else this.later ??= this.clock.after(NOTE_MS, () => void this.flush());
  }
}

/** Runs of a list, each short enough for one event; one that is too long by itself stands alone. */
function cut<T>(parts: readonly T[]): T[][] {
  const runs: T[][] = [];
  let size = Infinity;
  for (const part of parts) {
    const own = aboutCharacters(part);
    if (size + own > CHUNK.characters || runs.at(-1)!.length >= CHUNK.parts) {
      runs.push([]);
      size = 0;
    }
    runs.at(-1)!.push(part);
    size += own;
  }
  return runs;
}
