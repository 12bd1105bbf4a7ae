/** A map of bounded weight that forgets what was not asked for longest. */
export class LruMap<Key, Value> {
  private readonly entries = new Map<Key, { readonly value: Value; readonly weight: number }>();
  private weight = 0;
  /** What was asked for last stands at the end already: most questions are about that one. */
  private newest: Key | undefined;

  /** @param capacity sum of the weights that are kept; with the default weight of 1 the number of entries */
  constructor(private readonly capacity: number) {}

  get(key: Key): Value | undefined {
    const entry = this.entries.get(key);
    if (entry === undefined) return undefined;
    if (key === this.newest) return entry.value;
    this.entries.delete(key); // a Map keeps the order of insertion: what was just used goes to the end
    this.entries.set(key, entry);
    this.newest = key;
    return entry.value;
  }

  /** What is heavier than everything together is not kept at all. */
  set(key: Key, value: Value, weight = 1): void {
    this.delete(key);
    this.entries.set(key, { value, weight });
    this.newest = key;
    this.weight += weight;
    for (const oldest of this.entries.keys()) {
      if (this.weight <= this.capacity) return;
      this.delete(oldest);
    }
  }

  delete(key: Key): void {
    const entry = this.entries.get(key);
    if (entry === undefined) return;
    this.entries.delete(key);
    this.weight -= entry.weight;
  }

  clear(): void {
    this.entries.clear();
    this.weight = 0;
  }
}
