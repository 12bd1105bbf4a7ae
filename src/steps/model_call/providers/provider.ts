import { type StepContext, StepFailure } from '../../../engine/step-executor.js';
import { type Json, type JsonObject } from '../../../engine/values.js';
import { type ModelRequest } from '../model.request.js';

/** What a model answered. */
export interface ModelAnswer {
  readonly outputs: JsonObject;
  /** The model that really answered, as exactly as the provider says. */
  readonly served: string;
  /** Null where the provider counts none. */
  readonly inputTokens: number | null;
  readonly outputTokens: number | null;
}

/** One way to run models. */
export interface ModelProvider {
  /** One attempt. Throws StepFailure; aborts promptly on `context.signal`. */
  infer(request: ModelRequest, context: StepContext): Promise<ModelAnswer>;
}

/** Inputs that a model cannot take. The message holds none of them. */
export function refusedInput(message: string): StepFailure {
  return new StepFailure('invalid_parameters', message, { retryable: false });
}

/** A list in parts of at most so many. */
export function batchesOf<Item>(items: readonly Item[], size: Json | undefined): Item[][] {
  const most = typeof size === 'number' && size >= 1 ? size : Math.max(1, items.length);
  return Array.from({ length: Math.ceil(items.length / most) }, (_, index) => items.slice(index * most, (index + 1) * most));
}

/** Sum of counts, of which some may be unknown; null where all are. */
export function total(counts: readonly (number | null)[]): number | null {
  const known = counts.filter((count) => count !== null);
  return known.length === 0 ? null : known.reduce((sum, count) => sum + count, 0);
}
