import { exportJWK, generateKeyPair, type JWK } from 'jose';
import { type OutboundResponse } from '../engine/outbound-port.js';
import { IssuerKeys } from './issuer-keys.js';

const ISSUER = { issuer: 'https://login.example.com', jwksUrl: 'https://login.example.com/keys' };
const TOKEN = { payload: '', signature: '' };

describe(IssuerKeys.name, () => {
  let published: JWK[];
  let now: number;
  let answers: (() => void)[];
  let keys: IssuerKeys;

  const publicKey = async (kid: string): Promise<JWK> => ({
    ...(await exportJWK((await generateKeyPair('ES256', { extractable: true })).publicKey)),
    kid,
    alg: 'ES256',
  });
  const find = (kid: string): Promise<unknown> => Promise.resolve(keys.find({ alg: 'ES256', kid }, TOKEN));
  /** Lets the issuer answer all that was asked so far. */
  const answer = async (): Promise<void> => {
    await new Promise((done) => setImmediate(done));
    for (const each of answers.splice(0)) each();
  };

  beforeEach(async () => {
    published = [await publicKey('first')];
    now = 0;
    answers = [];
    const fetch = async (): Promise<OutboundResponse> => {
      await new Promise<void>((resolve) => answers.push(resolve));
      return { status: 200, body: new TextEncoder().encode(JSON.stringify({ keys: published })) } as OutboundResponse;
    };
    keys = new IssuerKeys(ISSUER, { fetch }, () => now);
    const first = find('first');
    await answer();
    await first;
    now = 60_000;
  });

  it('whoever comes with a new key while it is asked for waits for it', async () => {
    published.push(await publicKey('second'));
    const found = Promise.all([find('second'), find('second'), find('second')]);
    await answer();
    await expect(found).resolves.toHaveLength(3);
    expect(answers).toEqual([]); // asked once
  });

  it('an invented key makes nobody ask again for a while, and is not waited for', async () => {
    const invented = expect(find('invented')).rejects.toThrow('no applicable key');
    await answer();
    await invented;
    await expect(find('another')).rejects.toThrow('no applicable key');
    expect(answers).toEqual([]);
    now += 10_000;
    published.push(await publicKey('second'));
    const second = find('second');
    await answer();
    await expect(second).resolves.toBeDefined();
  });
});
