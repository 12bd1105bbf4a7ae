import { ErrorOutput } from './error-output.js';
import { redactorOf } from './stdio-secrets.js';

const heard = (...pieces: readonly string[]): string[] => {
  const told: string[] = [];
  const output = new ErrorOutput(redactorOf({ env: { API_TOKEN: 'a-token-nobody-sees', MODE: 'verbose' } }), (text) => told.push(text));
  for (const piece of pieces) output.hear(piece);
  output.end();
  return told;
};

describe(ErrorOutput.name, () => {
  it('tells whole lines, and the last one at the end', () => {
    expect(heard('one\ntwo\nth', 'ree\n', '\n', 'verbose')).toEqual(['one\ntwo', 'three', 'verbose']);
  });

  it('tells no secret, in one piece or in several', () => {
    expect(heard('it is a-token-nobody-sees\n')).toEqual(['it is [REDACTED]']);
    expect(heard('it is a-tok', 'en-nobody-', 'sees', '!')).toEqual(['it is [REDACTED]!']);
  });

  it('ends somewhere, and leaves no part of a secret there', () => {
    const filler = 'x'.repeat(16_384 - 7);
    for (const pieces of [
      [`${filler}a-token-nobody-sees`],
      [`${filler}a-token`, '-nobody-sees\n'],
      [filler, 'a-token-nobody-sees', 'more\n'],
    ])
      expect(heard(...pieces)).toEqual([`${filler}[REDACTED]\n[output cut at 16384 bytes]`]);
  });
});
