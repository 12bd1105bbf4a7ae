import { remember } from '../../engine/known-json.js';
import { type RunEvent } from '../../engine/run/events.js';
import { type Json, type JsonObject } from '../../engine/values.js';
import { type BlobPart, decodeEvent, encodeEvent, INLINE_VALUE_BYTES } from './event-codec.js';
import { NotStorable } from './storability.js';

const completed = (fields: { readonly value: Json } & Record<string, unknown>): RunEvent =>
  ({
    type: 'step_completed',
    step: 'a',
    stepType: 'python',
    wave: 1,
    attempt: 1,
    edges: [],
    vars: null,
    saves: [],
    durationMs: 1,
    ...fields,
  }) as RunEvent;
/** What a reader gets who has the values that lie apart. */
function decoded({ type, step, body, blobs }: ReturnType<typeof encodeEvent>): RunEvent {
  const values = new Map<BlobPart, Json>(blobs.map((blob) => [blob.part, JSON.parse(String(blob.body)) as Json]));
  return decodeEvent(type, step, JSON.parse(body) as object, (part) => values.get(part)!);
}
const LARGEST = 16 * 1024 * 1024;

describe(encodeEvent.name, () => {
  it.each<[string, Parameters<typeof completed>[0], BlobPart[]]>([
    ['small values', { value: { a: 1 }, raw: [2], inputs: {} }, []],
    ['a value of exactly the limit', { value: 'x'.repeat(INLINE_VALUE_BYTES - 2) }, []],
    ['a value of a byte more', { value: 'x'.repeat(INLINE_VALUE_BYTES - 1) }, ['value']],
    ['a value whose characters have three bytes', { value: '€'.repeat(INLINE_VALUE_BYTES / 3) }, ['value']],
    ['several values, each below the limit', { value: 'x'.repeat(200_000), raw: 'y'.repeat(200_000) }, []],
    [
      'several values above it',
      { value: 'x'.repeat(300_000), raw: ['y'.repeat(300_000)], inputs: { z: 'z'.repeat(300_000) } },
      ['value', 'raw', 'inputs'],
    ],
    ['values that are too large together', { value: 'x'.repeat(LARGEST - 2), raw: 'y'.repeat(LARGEST - 2) }, ['value', 'raw']],
  ])('reads back %s as they were', (_name, fields, parts) => {
    const row = encodeEvent(completed(fields));
    expect(row.blobs.map(({ part }) => part)).toEqual(parts);
    expect(decoded(row)).toEqual(completed(fields));
    if (parts.length > 0) expect(row.body.length).toBeLessThan(1_000);
  });

  it.each<[string, Record<string, unknown>, string]>([
    ['what all say alike', { value: 1 }, '{"stepType":"python","durationMs":1,"value":1}'],
    ['what is special', { value: null, wave: 2, attempt: 3, edges: [{ to: 'b', data: {} }] }, ''],
    ['empty inputs', { value: {}, inputs: {} }, ''],
  ])('writes no more than %s', (_name, fields, body) => {
    const event = completed(fields as Parameters<typeof completed>[0]);
    const row = encodeEvent(event);
    if (body !== '') expect(row.body).toBe(body);
    expect(decoded(row)).toEqual(event);
  });

  it('writes a value that is the very inputs once, large ones too', () => {
    for (const inputs of [{ a: 1 }, { a: 'x'.repeat(INLINE_VALUE_BYTES) }]) {
      const event = completed({ value: inputs, inputs });
      const row = encodeEvent(event);
      expect(row.body).not.toContain('"value"');
      expect(row.blobs.length).toBe('a' in inputs && inputs.a === 1 ? 0 : 1);
      expect(decoded(row)).toEqual(event);
    }
  });

  it('takes the JSON of a value that is known as it is, and does not look into the value', () => {
    const json = Buffer.from(JSON.stringify({ data: 'x'.repeat(INLINE_VALUE_BYTES) }));
    const value = Object.freeze(
      Object.defineProperty({} as JsonObject, 'data', {
        enumerable: true,
        get: () => {
          throw new Error('looked into');
        },
      }),
    );
    remember(value, { json, depth: 1, fault: null });
    const { body, blobs } = encodeEvent(completed({ value }));
    expect(blobs).toEqual([{ part: 'value', body: json, bytes: json.length }]);
    expect(JSON.parse(body)).toMatchObject({ blobs: { value: json.length } });
  });

  it('reads what was written before in full', () => {
    const { type, step, ...body } = completed({ value: 1 }) as RunEvent & { step: string };
    expect(decodeEvent(type, step, body, () => null)).toEqual(completed({ value: 1 }));
  });

  it('keeps events without a step, and other fields than values, as they are', () => {
    const failed = { type: 'execution_cancelled', reason: 'x'.repeat(INLINE_VALUE_BYTES) } as const;
    expect(encodeEvent(failed)).toMatchObject({ step: null, blobs: [] });
    expect(decoded(encodeEvent(failed))).toEqual(failed);
  });

  it.each<[string, Parameters<typeof completed>[0]]>([
    ['a value of more than 16 MiB', { value: 'x'.repeat(LARGEST - 1) }],
    ['what is around the values and more than 16 MiB', { value: 1, vars: { x: 'x'.repeat(LARGEST) } }],
    ['a NUL behind 16 MiB', { value: 'x'.repeat(LARGEST - 2), raw: 'a\0' }],
  ])('refuses %s', (_name, fields) => expect(() => encodeEvent(completed(fields))).toThrow(NotStorable));
});
