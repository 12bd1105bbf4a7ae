import { knownJson } from '../engine/known-json.js';
import { type OutboundResponse } from '../engine/outbound-port.js';
import { storabilityFault } from '../engine/storability.js';
import { answerValue } from './answer-value.js';
import { LargeAnswers } from './large-answers.js';

const MIB = 1024 * 1024;
const answers = new LargeAnswers();
const JSON_TYPE = 'application/json';
const response = (body: string | Buffer, type = JSON_TYPE): OutboundResponse => ({
  status: 200,
  url: 'http://a.example/',
  headers: { 'content-type': type, 'set-cookie': ['a=1', 'b="2"'] },
  body: Buffer.from(body as string),
  elapsedMs: 1500,
});
const text = (value: unknown): string => Buffer.from(knownJson(value)!.json!).toString();
const never = new AbortController().signal;

describe(LargeAnswers.name, () => {
  it.each([
    ['an object', JSON.stringify({ rows: Array.from({ length: 20_000 }, (_, id) => ({ id, name: `Grüße "${id}"` })) }), JSON_TYPE],
    ['a text', 'plain '.repeat(MIB / 6), 'text/plain'],
    ['bytes that are no text', Buffer.alloc(MIB, 0xff), 'application/octet-stream'],
    ['white space', ' '.repeat(MIB), JSON_TYPE],
    ['JSON that is broken', `{"a":${'1'.repeat(MIB)}`, JSON_TYPE],
    ['a key that is forbidden', `{"a":[{"__proto__":1}],"b":"${'x'.repeat(MIB)}"}`, JSON_TYPE],
    ['the forbidden key as a text', `["__proto__","${'x'.repeat(MIB)}"]`, JSON_TYPE],
    ['a number that JSON writes otherwise', `[1.0, 1e2, "${'x'.repeat(MIB)}"]`, JSON_TYPE],
    ['64 levels', `${'['.repeat(62)}${'[],'.repeat(MIB / 8)}[]${']'.repeat(62)}`, JSON_TYPE],
  ])('has the value that reading here has, and its JSON: %s', async (_name, body, type) => {
    const here = answerValue(response(body, type));
    const value = await answers.read(response(body, type), never);
    expect(text(value)).toBe(JSON.stringify(here));
    expect(Object.keys(value)).toEqual(Object.keys(here));
    expect(JSON.stringify(value)).toBe(JSON.stringify(here));
    expect(storabilityFault(value)).toEqual(storabilityFault(here));
  });

  it.each([
    ['deeper than a value may be', `${'['.repeat(64)}"${'x'.repeat(MIB)}"${']'.repeat(64)}`, 'result_not_storable'],
    ['with an escaped NUL', `["\\u0000", "${'x'.repeat(MIB)}"]`, 'result_not_storable'],
    ['larger than a value may be', `["${'\\u0001'.repeat(3 * MIB)}"]`, 'result_too_large'],
  ])('knows why one cannot be stored, and still has its value: %s', async (_name, body, code) => {
    const value = await answers.read(response(body), never);
    expect(storabilityFault(value)).toEqual(storabilityFault(answerValue(response(body))));
    expect(storabilityFault(value)).toMatchObject({ code });
    expect(JSON.stringify(value['data'])).toBe(JSON.stringify(answerValue(response(body))['data']));
  });

  it('counts levels where the value is part of another', async () => {
    const value = await answers.read(response(`${'['.repeat(62)}"${'x'.repeat(MIB)}"${']'.repeat(62)}`), never);
    expect(storabilityFault(value)).toBeNull();
    expect(storabilityFault([value])).toBeNull();
    expect(storabilityFault([[value]])).toMatchObject({ message: expect.stringContaining('deeper than 64 levels') as string });
  });

  it('cannot be changed: what is known of it would not be true any more', async () => {
    const value = await answers.read(response(`"${'x'.repeat(MIB)}"`), never);
    expect(() => (value['status_code'] = 500)).toThrow(TypeError);
  });

  it('reads several at once, each for itself', async () => {
    const bodies = Array.from({ length: 5 }, (_, n) => JSON.stringify([n, 'x'.repeat(MIB)]));
    const values = await Promise.all(bodies.map((body) => answers.read(response(body), never)));
    expect(values.map((value) => (value['data'] as unknown[])[0])).toEqual([0, 1, 2, 3, 4]);
  });

  it('survives the most expensive answer of 16 MiB that is known', async () => {
    const body = `["\\u005f"${',{}'.repeat(5_592_000)}]`;
    const value = await answers.read(response(body), never);
    expect(value['data']).toHaveLength(5_592_001);
  });

  it('gives up what it works on for a call that ends meanwhile, and goes on with the next', async () => {
    const controller = new AbortController();
    const slow = answers.read(response(`[${'{},'.repeat(MIB)}1]`), controller.signal);
    const next = answers.read(response(`"${'x'.repeat(MIB)}"`), never);
    await new Promise((resolve) => setTimeout(resolve, 50));
    const reason = new Error('over');
    controller.abort(reason);
    await expect(slow).rejects.toBe(reason);
    expect((await next)['status_code']).toBe(200);
  });

  it('is not begun for a call that has ended meanwhile', async () => {
    const reason = new Error('over');
    await expect(answers.read(response(`"${'x'.repeat(MIB)}"`), AbortSignal.abort(reason))).rejects.toBe(reason);
    expect((await answers.read(response('"x"'), never))['data']).toBe('x'); // the next is
  });
});
