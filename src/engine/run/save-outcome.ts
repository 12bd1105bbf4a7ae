import { type Json, type JsonObject } from '../values.js';

/** What a save did; `name` publishes a variable. */
export interface SaveOutcome {
  readonly status: 'success' | 'error' | 'skipped';
  readonly storage: string;
  readonly name: string | null;
  readonly data: Json;
  readonly error: string | null;
  /** What the storage says of it, such as table and row_count. */
  readonly detail?: JsonObject;
}
