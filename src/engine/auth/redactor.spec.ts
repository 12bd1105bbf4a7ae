import fc from 'fast-check';
import { Redactor } from './redactor.js';

const redactorOf = (...secrets: readonly string[]): Redactor => {
  const redactor = new Redactor();
  for (const secret of secrets) redactor.taint(secret);
  return redactor;
};

describe(Redactor.name, () => {
  it('finds a secret in every encoding, wherever it stands', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', minLength: 8, maxLength: 30 }),
        fc.string({ maxLength: 5 }),
        fc.string({ maxLength: 5 }),
        (secret, before, after) => {
          const redactor = redactorOf(secret);
          expect(redactor.text(before + secret + after)).not.toContain(secret);
          const escaped = JSON.stringify(secret).slice(1, -1);
          expect(redactor.text(JSON.stringify(before + secret + after))).not.toContain(escaped);
          const url = encodeURIComponent(secret.toWellFormed());
          expect(redactor.text(before + url + after)).not.toContain(url);
          const encoded = Buffer.from(before + secret + after).toString('base64');
          // What is left gives at most the first and the last two bytes away, which share a digit with what stands beside them.
          const left = redactor.text(encoded).split('[REDACTED]');
          expect(left.length).toBeGreaterThan(1);
          expect(Buffer.from(left[0]!, 'base64').length + Buffer.from(left.at(-1)!, 'base64').length).toBeLessThanOrEqual(
            Buffer.byteLength(before) + Buffer.byteLength(after) + 6,
          );
        },
      ),
      { numRuns: 500 },
    );
  });

  it('changes values deep inside and keys, and shares what has nothing', () => {
    const redactor = redactorOf('a-secret-1');
    const clean = { a: [1, 'x'] };
    const value = { clean, dirty: [{ 'key a-secret-1': 'it is a-secret-1!' }] };
    const seen = redactor.value(value) as typeof value;
    expect(seen).toEqual({ clean, dirty: [{ 'key [REDACTED]': 'it is [REDACTED]!' }] });
    expect(seen.clean).toBe(clean);
    expect(redactor.value(clean)).toBe(clean);
  });

  it('leaves nothing of a longer secret that holds a shorter one', () => {
    expect(redactorOf('secret', 'my-secret-key').text('my-secret-key')).toBe('[REDACTED]');
  });

  it('does not look for short ones', () => expect(redactorOf('abc').isIdle).toBe(true));

  it('leaves the id of the execution, which authors put into headers', () => {
    const redactor = new Redactor('252867244734808064');
    redactor.taint('252867244734808064');
    redactor.taint('request-252867244734808064');
    expect(redactor.text('252867244734808064 request-252867244734808064')).toBe('252867244734808064 [REDACTED]');
  });
});
