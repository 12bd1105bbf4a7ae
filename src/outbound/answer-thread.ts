import { depthOf, type KnownJson } from '../engine/known-json.js';
import { storabilityFault } from '../engine/storability.js';
import { type JsonObject } from '../engine/values.js';
import { answerLargeQuestions, goLast } from '../threads/answering.js';
import { answerData } from './answer-value.js';

export interface LargeAnswer {
  /** Of the value what does not come of the body. */
  readonly head: JsonObject;
  readonly body: Uint8Array;
  readonly contentType: string;
}

/** What is known of the value of an answer; its body comes back where its JSON cannot be stored, since nothing else says then what it is. */
export interface ReadAnswer extends KnownJson {
  readonly body: Uint8Array | null;
  readonly isBase64: boolean;
}

goLast();
answerLargeQuestions(({ head, body, contentType }: LargeAnswer, transfer): ReadAnswer => {
  const read = answerData(body, contentType);
  const value = { ...head, ...read };
  const fault = storabilityFault(value);
  // Not Buffer.from: a short text would lie in memory that others share, and cannot be handed over.
  const json = fault === null ? new TextEncoder().encode(JSON.stringify(value)) : null;
  transfer.push((json ?? body).buffer as ArrayBuffer);
  return { json, fault, depth: depthOf(value), body: json === null ? body : null, isBase64: read.encoding !== undefined };
});
