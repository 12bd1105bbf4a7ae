import { type CatalogEntry } from '../storage/catalog-entry.js';
import { LruMap } from '../storage/lru-map.js';

/** Everything resolution needs to know of one path. */
export interface PathState {
  readonly versions: readonly CatalogEntry[];
  /** Tag -> catalog id. */
  readonly tags: ReadonlyMap<string, string>;
}

/** A path as this node knows it, with what was already worked out from it; both go together when the path changes. */
export class KnownPath {
  /** Bounded: ranges are text of callers. */
  readonly choices = new LruMap<string, CatalogEntry>(64);
  private ids: ReadonlyMap<string, CatalogEntry> | undefined;
  private readonly names = new LruMap<string, KnownPath>(8);

  constructor(
    readonly state: PathState,
    /** Monotonic ms at which the reading of the state began. */
    readonly readAt: number,
  ) {}

  byId(id: string): CatalogEntry | undefined {
    this.ids ??= new Map(this.state.versions.map((entry) => [entry.id, entry]));
    return this.ids.get(id);
  }

  /** The same path with only the entries of one name: how entries are found that are called by their path and name. */
  named(name: string): KnownPath {
    const known =
      this.names.get(name) ??
      new KnownPath({ ...this.state, versions: this.state.versions.filter((entry) => entry.name === name) }, this.readAt);
    this.names.set(name, known);
    return known;
  }
}

/** Milliseconds after which a state is not used any more: what another node registered is seen by then, whatever NOTIFY does. */
const USABLE_MS = 1000;
/** Milliseconds after which it is read anew behind the caller's back, so that busy paths never wait for the database. */
const FRESH_MS = 500;
/** Versions and paths together: some 400 bytes each. */
const CAPACITY = 100_000;

/**
 * The paths this node resolved lately. A path that changed here is forgotten at once and a reading that began before the change
 * is not kept; one that changed elsewhere is forgotten on notice, and after a second in any case. Unknown paths are paths without
 * versions and kept no longer.
 */
export class PathVersions {
  private readonly known = new LruMap<string, KnownPath>(CAPACITY);
  private readonly readings = new Map<string, Promise<KnownPath>>();

  /**
   * @param read reads a path from the database
   * @param monotonic milliseconds that never jump
   */
  constructor(
    private readonly read: (tenantId: string, path: string) => Promise<PathState>,
    private readonly monotonic: () => number = () => performance.now(),
  ) {}

  /** What is known of a path, at most a second old; never older than the last `forget` of it. */
  async of(tenantId: string, path: string): Promise<KnownPath> {
    const key = keyOf(tenantId, path);
    const known = this.known.get(key);
    const age = known ? this.monotonic() - known.readAt : Infinity;
    if (!known || age >= USABLE_MS) return this.reading(key, tenantId, path);
    // A failed refresh is no failure of this caller: the next one reads for itself when the second is over.
    if (age >= FRESH_MS) this.reading(key, tenantId, path).catch(() => undefined);
    return known;
  }

  /** What a reading says that begins now: nothing that was registered before is missing, wherever that was. */
  anew(tenantId: string, path: string): Promise<KnownPath> {
    return this.begin(keyOf(tenantId, path), tenantId, path);
  }

  /** The path changed: nothing read before now may be used. */
  forget(tenantId: string, path: string): void {
    const key = keyOf(tenantId, path);
    this.known.delete(key);
    this.readings.delete(key);
  }

  /** Changes may have been missed. */
  forgetAll(): void {
    this.known.clear();
    this.readings.clear();
  }

  private reading(key: string, tenantId: string, path: string): Promise<KnownPath> {
    return this.readings.get(key) ?? this.begin(key, tenantId, path);
  }

  private begin(key: string, tenantId: string, path: string): Promise<KnownPath> {
    const reading = this.readNow(tenantId, path);
    this.readings.set(key, reading);
    const settle = (known: KnownPath | null): void => {
      if (this.readings.get(key) !== reading) return; // forgotten or read anew meanwhile: what was read may be older than the change
      this.readings.delete(key);
      if (known) this.known.set(key, known, 1 + known.state.versions.length);
    };
    reading.then(settle, () => settle(null));
    return reading;
  }

  private async readNow(tenantId: string, path: string): Promise<KnownPath> {
    const readAt = this.monotonic();
    return new KnownPath(await this.read(tenantId, path), readAt);
  }
}

function keyOf(tenantId: string, path: string): string {
  return `${tenantId}\n${path}`; // a path has no line break, so two keys never meet
}
