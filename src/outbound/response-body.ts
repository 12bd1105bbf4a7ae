import { pipeline, Readable } from 'node:stream';
import { createBrotliDecompress, createGunzip, createInflate, createInflateRaw, createZstdDecompress } from 'node:zlib';
import { OutboundError } from '../engine/outbound-port.js';

/** What compression can honestly do: text rarely shrinks below a twentieth. */
const MAX_RATIO = 100;
/** Small bodies may exceed the ratio: a few hundred bytes of repetition are no bomb. */
const RATIO_FREE_BYTES = 1_048_576;
const MAX_CODINGS = 3;
/** More than this of a body is only read once it is admitted (OutboundRequest.admit). */
export const LARGE_BODY_BYTES = 256 * 1024;

/** How much of an unwanted body is read so that its connection can be used again. */
const DUMPED_BYTES = 16_384;

/** Reads a body that nobody wants, or gives it up with its connection where it is long. */
export async function dump(body: Readable): Promise<void> {
  let size = 0;
  try {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      size += chunk.length;
      if (size > DUMPED_BYTES) return;
    }
  } catch {
    // It broke: so did its connection.
  }
}

/**
 * Reads a body to its end and undoes its Content-Encoding. Throws OutboundError: `response_too_large` above `maxBytes`
 * received or decoded, or above 100 decoded bytes for one received; `connection_error` where the encoding is broken.
 * An encoding nobody knows is left as it is.
 * @param admit see OutboundRequest; how long the decoded body is shows only as it is read
 */
export async function readBody(
  body: Readable,
  encoding: string,
  maxBytes: number,
  admit: (bytes: number) => Promise<void> = () => Promise.resolve(),
): Promise<Uint8Array> {
  const codings = encoding
    .toLowerCase()
    .split(',')
    .map((coding) => coding.trim())
    .filter((coding) => coding !== '' && coding !== 'identity');
  let received = 0;
  const counted = async function* (): AsyncIterable<Uint8Array> {
    for await (const chunk of body as AsyncIterable<Uint8Array>) {
      received += chunk.length;
      if (received > maxBytes) throw tooLarge(maxBytes);
      yield chunk;
    }
  };
  const isKnown = codings.length <= MAX_CODINGS && codings.every((coding) => CODINGS.has(coding));
  const decoded = isKnown ? codings.reduceRight((bytes, coding) => decode(bytes, coding), counted()) : counted();
  try {
    return await collect(decoded, maxBytes, admit, (size) => {
      if (isKnown && size > RATIO_FREE_BYTES && size > received * MAX_RATIO) {
        throw new OutboundError('response_too_large', `The response unpacks to more than ${MAX_RATIO} times its size`);
      }
    });
  } finally {
    // Where it is given up a decoder may still wait for more of it, and would keep the connection for as long as the server likes.
    body.destroy();
  }
}

export function tooLarge(maxBytes: number): OutboundError {
  return new OutboundError('response_too_large', `The response is larger than ${maxBytes} bytes`);
}

async function collect(
  chunks: AsyncIterable<Uint8Array>,
  maxBytes: number,
  admit: (bytes: number) => Promise<void>,
  check: (size: number) => void,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  let admitted = 0;
  for await (const chunk of chunks) {
    size += chunk.length;
    if (size > maxBytes) throw tooLarge(maxBytes);
    check(size);
    parts.push(chunk);
    if (size > LARGE_BODY_BYTES && size > admitted) {
      const more = Math.ceil(size / LARGE_BODY_BYTES) * LARGE_BODY_BYTES - admitted;
      admitted += more;
      await admit(more);
    }
  }
  return Buffer.concat(parts, size);
}

/**
 * What a socket brought, as one; the parts are freed at once. The collector counts such memory, and would look through the whole heap for it after every
 * few large bodies. Not for parts that a decoder made, which may go on in the same memory.
 */
export function gathered(parts: readonly Uint8Array[]): Uint8Array {
  const whole = Buffer.concat(parts);
  for (const { buffer } of parts) free(buffer as ArrayBuffer);
  return whole;
}

function free(memory: ArrayBuffer): void {
  try {
    memory.transfer(0);
  } catch {
    // Freed with another part that lay in it, or of Node's own pool, which is never given away.
  }
}

const CODINGS = new Set(['gzip', 'x-gzip', 'br', 'zstd', 'deflate']);

function decoderFor(coding: string, firstByte: number) {
  switch (coding) {
    case 'br':
      return createBrotliDecompress();
    case 'zstd':
      return createZstdDecompress();
    case 'deflate':
      // RFC 9110 means zlib; some servers send the bare stream. A zlib header has 8 in its low half byte.
      return (firstByte & 0x0f) === 8 ? createInflate() : createInflateRaw();
    default:
      return createGunzip();
  }
}

/** Decodes as fast as the result is read, so that memory stays flat whatever the body unpacks to. */
async function* decode(source: AsyncIterable<Uint8Array>, coding: string): AsyncIterable<Uint8Array> {
  const chunks = source[Symbol.asyncIterator]();
  const first = await chunks.next();
  if (first.done) return; // HEAD and 204 may name an encoding and send nothing
  let sourceError: unknown;
  const input = async function* () {
    try {
      yield first.value;
      yield* { [Symbol.asyncIterator]: () => chunks };
    } catch (error) {
      sourceError = error;
      throw error;
    }
  };
  const decoder = decoderFor(coding, first.value[0] ?? 0);
  pipeline(Readable.from(input()), decoder, () => undefined); // an error of either side is thrown by the loop below
  try {
    yield* decoder as AsyncIterable<Uint8Array>;
  } catch (error) {
    throw sourceError ?? new OutboundError('connection_error', `The response is not valid ${coding}`, { cause: error });
  }
}
