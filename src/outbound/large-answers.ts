import { remember } from '../engine/known-json.js';
import { type OutboundResponse } from '../engine/outbound-port.js';
import { StepFailure } from '../engine/step-executor.js';
import { type Json, type JsonObject } from '../engine/values.js';
import { LoneThread } from '../threads/lone-thread.js';
import { type LargeAnswer, type ReadAnswer } from './answer-thread.js';
import { THREAD_PROGRAM } from './answer-thread-program.js';
import { answerData, answerHead, contentTypeOf } from './answer-value.js';

/**
 * Far more than any answer of 16 MiB needs (millions of empty objects: below 384): going beyond it within one call of V8, as JSON.parse is, would end the
 * process and not the thread.
 */
const THREAD_MEMORY_MB = 1024;

/**
 * Reads large answers in a thread, one at a time: decoding, parsing, checking and writing again 16 MiB would hold up everything else of the process for a
 * few hundred milliseconds. What comes back are the bytes of the value's JSON, which the store writes as they are; `data` is only parsed where a
 * template, a contract or a step looks into it.
 */
export class LargeAnswers {
  private readonly thread = new LoneThread<LargeAnswer, ReadAnswer>({
    program: THREAD_PROGRAM,
    memoryMb: THREAD_MEMORY_MB,
    tooMuch: () =>
      new StepFailure('result_too_large', 'Reading the answer takes more memory than this service has for one.', { retryable: false }),
  });

  /**
   * As `answerValue`; the body of the response cannot be used afterwards.
   * @throws StepFailure result_too_large; the reason of `signal`
   */
  async read(response: OutboundResponse, signal: AbortSignal): Promise<JsonObject> {
    const head = answerHead(response);
    const contentType = contentTypeOf(response);
    const body = unshared(response.body);
    const read = await this.thread.ask({ head, body, contentType }, [body.buffer], signal);
    const value = valueOf(head, contentType, read);
    remember(value, read);
    return value;
  }
}

/** Bytes that share their memory with nothing else. */
function unshared(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const isWhole = bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength;
  return isWhole ? (bytes as Uint8Array<ArrayBuffer>) : new Uint8Array(bytes);
}

/** Frozen, since what is remembered of it would not be true of another. */
function valueOf(head: JsonObject, contentType: string, { json, body, isBase64 }: ReadAnswer): JsonObject {
  const data = once(() => (json === null ? answerData(body!, contentType).data : (JSON.parse(textOf(json)) as { data: Json }).data));
  const value = Object.defineProperty({ ...head }, 'data', { enumerable: true, get: data });
  if (isBase64) value['encoding'] = 'base64';
  return Object.freeze(value);
}

const textOf = (bytes: Uint8Array): string => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString();

function once<T>(make: () => T): () => T {
  let made: { readonly it: T } | null = null;
  return () => (made ??= { it: make() }).it;
}
