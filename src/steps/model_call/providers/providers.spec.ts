import { StepFailure } from '../../../engine/step-executor.js';
import { CircuitBreaker } from './circuit-breaker.js';
import { TokenStream } from './token-stream.js';

describe(CircuitBreaker.name, () => {
  const failing = (code: 'timeout' | 'http_error', statusCode?: number) => () =>
    Promise.reject(new StepFailure(code, '', statusCode === undefined ? {} : { statusCode }));
  const codeOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'ok',
      (error: StepFailure) => error.code,
    );

  it('opens after five failures in a row, lets one try after ten seconds, and closes when that succeeds', async () => {
    let now = 0;
    const breaker = new CircuitBreaker(() => now);
    const ask = (work: () => Promise<unknown>, key = 'a'): Promise<string> => codeOf(breaker.through(key, work));
    for (let n = 0; n < 5; n += 1) expect(await ask(failing('timeout'))).toBe('timeout');
    expect(await ask(failing('timeout'))).toBe('circuit_open');
    expect(await ask(() => Promise.resolve(), 'b')).toBe('ok');
    now = 10_000;
    const slow = Promise.withResolvers<void>();
    const trial = ask(() => slow.promise);
    expect(await ask(failing('timeout'))).toBe('circuit_open');
    slow.resolve();
    expect([await trial, await ask(failing('timeout'))]).toEqual(['ok', 'timeout']);
  });

  it('does not count what the endpoint was asked for', async () => {
    const breaker = new CircuitBreaker(() => 0);
    for (let n = 0; n < 9; n += 1) expect(await codeOf(breaker.through('a', failing('http_error', 429)))).toBe('http_error');
    for (let n = 0; n < 5; n += 1) await codeOf(breaker.through('a', failing('http_error', 500)));
    expect(await codeOf(breaker.through('a', failing('http_error', 500)))).toBe('circuit_open');
  });
});

describe(TokenStream.name, () => {
  it.each<[string, string[], string]>([
    ['nothing secret', ['ab', 'cd'], 'abcd'],
    ['a secret at once', ['x secret y'], 'x *** y'],
    ['a secret in pieces', ['x sec', 're', 't y'], 'x *** y'],
    ['a beginning that becomes another word', ['sec', 'tor'], 'sector'],
    ['a beginning at the end', ['a s', 'ec'], 'a sec'],
    ['a secret that begins within a beginning', ['sesec', 'ret'], 'se***'],
  ])('tells %s', (_name, pieces, told) => {
    const heard: string[] = [];
    const tokens = new TokenStream(['secret'], (text) => heard.push(text));
    for (const each of pieces) tokens.push(each);
    expect(heard.join('')).not.toContain('secr');
    tokens.end();
    expect(heard.join('')).toBe(told);
  });
});
