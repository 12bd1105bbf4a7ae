import { type JsonObject } from './values.js';

/** Code that a playbook names instead of holding it. */
export interface Scripts {
  /** Loads it, at every attempt anew. Throws StepFailure; throws `signal.reason` when aborted. */
  load(source: ScriptSource, signal: AbortSignal): Promise<Script>;
}

/** Where it lies: a file below the operator's SCRIPT_ROOT, or an address. */
export interface ScriptSource extends JsonObject {
  readonly type: 'file' | 'http';
  readonly uri: string;
  /** Its SHA-256 in hex where the playbook pins it; anything else is refused. */
  readonly sha256: string | null;
}

export interface Script {
  readonly text: string;
  /** SHA-256 of its bytes, hex. */
  readonly digest: string;
}
