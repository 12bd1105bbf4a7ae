import { createServer, type IncomingMessage } from 'node:http';
import { type AddressInfo } from 'node:net';
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from 'jose';
import { type JsonObject } from '../../src/engine/values.js';

interface Pair {
  readonly kid: string;
  readonly alg: string;
  readonly privateKey: CryptoKey;
  readonly publicKey: CryptoKey;
}

/** What a token request sent. */
export interface TokenRequest {
  readonly authorization: string | null;
  readonly form: Readonly<Record<string, string>>;
}

/** An authorization server on this machine: metadata, keys, a token endpoint for clients, and tokens signed as a test wants them. */
export class LocalIssuer {
  readonly asked: string[] = [];
  readonly tokenRequests: TokenRequest[] = [];
  /** Answers of the token endpoint; what it leaves out is as usual. */
  tokenAnswer: (request: TokenRequest) => { readonly status?: number; readonly body: JsonObject } = () => ({
    body: { access_token: `issued-${this.tokenRequests.length}`, token_type: 'Bearer', expires_in: 3_600 },
  });
  /** Of the metadata, beside what they have anyway. */
  metadata: JsonObject = {};
  down = false;
  private published: JWK[] = [];
  private signer!: Pair;
  private readonly server = createServer((request, response) => {
    const path = request.url ?? '';
    this.asked.push(path);
    if (this.down) return void response.writeHead(500).end();
    const answer = (body: object, status = 200): void =>
      void response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
    if (path === '/keys') return answer({ keys: this.published });
    if (path === '/.well-known/oauth-authorization-server') {
      const { url } = this;
      return answer({ issuer: url, jwks_uri: `${url}/keys`, token_endpoint: `${url}/token`, ...this.metadata });
    }
    if (path === '/token') {
      void textOf(request).then((text) => {
        const asked = { authorization: request.headers.authorization ?? null, form: Object.fromEntries(new URLSearchParams(text)) };
        this.tokenRequests.push(asked);
        const { status, body } = this.tokenAnswer(asked);
        answer(body, status);
      });
      return undefined;
    }
    return answer({}, 404);
  });

  static async start(): Promise<LocalIssuer> {
    const issuer = new LocalIssuer();
    await new Promise<void>((done) => issuer.server.listen(0, '127.0.0.1', done));
    await issuer.rotate('first', 'ES256');
    return issuer;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** A new key signs from now on. @param publish whether it is among the public ones; `only`: the others are gone */
  async rotate(kid: string, alg: string, publish: 'also' | 'only' | 'no' = 'also'): Promise<void> {
    const pair = { kid, alg, ...(await generateKeyPair(alg, { extractable: true })) };
    this.signer = pair;
    if (publish === 'only') this.published = [];
    if (publish !== 'no') this.published.push({ ...(await exportJWK(pair.publicKey)), kid, alg, use: 'sig' });
  }

  /** The public key that signs now. */
  get publicJwk(): Promise<JWK> {
    return exportJWK(this.signer.publicKey);
  }

  /** A token that is right in every way that a test does not change; a claim of null is left out. */
  async token(claims: Readonly<Record<string, unknown>> = {}, header: Partial<JWTHeaderParameters> = {}): Promise<string> {
    const now = Math.floor(Date.now() / 1_000);
    const all = { iss: this.url, sub: 'alice', iat: now, exp: now + 600, org: 'default', ...claims };
    const given = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
    return new SignJWT(given)
      .setProtectedHeader({ alg: this.signer.alg, kid: this.signer.kid, typ: 'at+jwt', ...header })
      .sign(this.signer.privateKey, { crit: { x: true } });
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}

async function textOf(request: IncomingMessage): Promise<string> {
  return Buffer.concat(await request.toArray()).toString('utf8');
}
