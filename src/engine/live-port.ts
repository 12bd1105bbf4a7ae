import { type RunId } from './ports.js';
import { type JsonObject } from './values.js';

/** Something of the moment: never stored, told at most once, missed by whoever is not watching. */
export interface LiveMessage {
  readonly event: 'model_token';
  readonly data: JsonObject;
}

/** Tells those who follow a run on this node what happens in it right now. Never throws, never waits. */
export interface LivePort {
  tell(runId: RunId, message: LiveMessage): void;
}
