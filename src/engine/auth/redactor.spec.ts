import fc from 'fast-check';
import { cutText } from './cut-text.js';
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

  describe('of a text that was cut', () => {
    const SECRET = 'aba-cäd/e-abaX';

    it('leaves nothing of a secret that lies across the cut, in any encoding', () => {
      const redactor = redactorOf(SECRET);
      const filler = '.'.repeat(300);
      for (const form of redactor.forms) {
        for (let left = 1; left <= form.length; left += 1) {
          const cut = cutText(`${filler}${form}${filler}`, filler.length + left);
          expect(redactor.message(cut)).toBe(`${filler}[REDACTED]…`);
          expect(redactor.message(`Statement 1 failed: ${cut}; nothing was kept`)).toBe(
            `Statement 1 failed: ${filler}[REDACTED]…; nothing was kept`,
          );
          expect(redactor.messages([{ text: cut }])).toEqual([{ text: `${filler}[REDACTED]…` }]);
        }
      }
    });

    it('leaves nothing of secrets that share characters, nor of one that begins as another does', () => {
      const filler = '.'.repeat(300);
      const redactor = redactorOf('secret-one', 'one-and-two', 'secret-one-and-three');
      for (const said of ['secret-one', 'secret-one-an', 'one-and-two-secret-one-and'])
        expect(redactor.message(`${filler}${said}…`)).not.toMatch(/sec|one|two|and/);
    });

    it('leaves what ends in a mark of its own, and does not look for beginnings where nothing was cut', () => {
      const redactor = redactorOf('secret-one');
      expect(redactor.message('Loading is…')).toBe('Loading is…');
      expect(redactor.message('.'.repeat(300) + 'sec')).toBe('.'.repeat(300) + 'sec');
      const marked = redactorOf('sec…ret-one');
      expect(marked.message(`${'.'.repeat(300)}sec…ret-one`)).toBe(`${'.'.repeat(300)}[REDACTED]`);
    });

    it('looks before the note of what was printed', () => {
      const redactor = redactorOf(SECRET);
      for (const left of ['aba-c', 'aba-c\uFFFD', 'aba-cä'])
        expect(redactor.prints(`it is ${left}\n[output cut at 65536 bytes]\n`)).toMatch(/^it is \[REDACTED\]\uFFFD?\n\[output cut/);
      expect(redactor.prints(`${SECRET} aba…\n`)).toBe('[REDACTED] aba…\n');
    });

    it('finds the beginning of a long secret that repeats itself', () => {
      const text = cutText('c'.repeat(300) + 'ab'.repeat(32_768), 62_300);
      expect(redactorOf('ab'.repeat(32_768)).message(text)).toMatch(/c\[REDACTED\]…$/);
    });
  });

  it('finds long secrets that repeat themselves, whole and before each of many cuts', () => {
    const secret = `ab${'a'.repeat(20_000)}`;
    const redactor = redactorOf(secret);
    expect(redactor.text('a'.repeat(200_000))).toHaveLength(200_000);
    expect(redactor.text(`${'a'.repeat(100)}${secret}a${secret}`)).toBe(`${'a'.repeat(100)}[REDACTED]a[REDACTED]`);
    const begins = `ab${'a'.repeat(500)}…`;
    expect(redactor.message('x'.repeat(200) + begins.repeat(2_000))).toBe('x'.repeat(200) + '[REDACTED]…'.repeat(2_000));
  });

  it('does not look for short ones', () => expect(redactorOf('abc').isIdle).toBe(true));

  it('leaves the id of the execution, which authors put into headers', () => {
    const redactor = new Redactor('252867244734808064');
    redactor.taint('252867244734808064');
    redactor.taint('request-252867244734808064');
    expect(redactor.text('252867244734808064 request-252867244734808064')).toBe('252867244734808064 [REDACTED]');
  });
});
