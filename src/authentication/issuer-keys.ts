import { createLocalJWKSet, errors, type JSONWebKeySet, type JWTVerifyGetKey } from 'jose';
import { type Outbound } from '../engine/outbound-port.js';
import { isObject, type Json, type JsonObject, own } from '../engine/values.js';
import { type TokenIssuer } from './issuers-file.js';

/** Keys are asked for again after so long; those that are known count meanwhile. */
const FRESH_MS = 10 * 60_000;
/** An issuer that does not answer for so long after its keys should have been fresh is not believed any more. */
const STALE_MS = 60 * 60_000;
/** An issuer is asked again at most so often: where it did not answer, and for keys that it did not have. */
const PAUSE_MS = 10_000;
/** As long as there are no keys at all. */
const FIRST_PAUSE_MS = 1_000;
const FETCH_MS = 5_000;
const MOST_BYTES = 262_144;
const MOST_KEYS = 100;

/** The keys of an issuer cannot be had. */
export class KeysUnavailable extends Error {
  override readonly name = 'KeysUnavailable';
}

interface KnownKeys {
  readonly find: JWTVerifyGetKey;
  /** Monotonic milliseconds. */
  readonly at: number;
}

/**
 * The public keys of one issuer, by way of its metadata (RFC 8414, OpenID Connect Discovery) or from the address that was configured. What a token says
 * only chooses among them: addresses and keys in its header count for nothing.
 */
export class IssuerKeys {
  private known: KnownKeys | null = null;
  private asking: Promise<void> | null = null;
  private askedAt = -Infinity;
  private missedAt = -Infinity;

  constructor(
    private readonly issuer: Pick<TokenIssuer, 'issuer' | 'jwksUrl'>,
    private readonly outbound: Outbound,
    private readonly monotonic: () => number = () => performance.now(),
  ) {}

  /** The key of a token. Throws KeysUnavailable; JWKSNoMatchingKey and the like of jose. */
  readonly find: JWTVerifyGetKey = async (header, token) => {
    const known = await this.current();
    try {
      return await known.find(header, token);
    } catch (error) {
      const newer = error instanceof errors.JWKSNoMatchingKey ? await this.newerThan(known) : null;
      if (newer === null) throw error;
      return newer.find(header, token);
    }
  };

  /** What has become of keys among which one is missing: perhaps it is new. Whoever invents names of keys does not make us ask again and again. */
  private async newerThan(known: KnownKeys): Promise<KnownKeys | null> {
    if (this.known === known) {
      if (this.asking === null && this.monotonic() - this.missedAt < PAUSE_MS) return null;
      // Everybody who comes with a new key while it is asked for waits for the answer.
      if (this.asking === null) this.missedAt = this.monotonic();
      await this.ask().catch(() => undefined);
    }
    return this.known === known ? null : this.known;
  }

  private async current(): Promise<KnownKeys> {
    const { known } = this;
    const age = known ? this.monotonic() - known.at : Infinity;
    if (known && age < FRESH_MS) return known;
    const usable = known && age < FRESH_MS + STALE_MS;
    if (this.asking !== null || this.mayAsk(usable ? PAUSE_MS : FIRST_PAUSE_MS)) {
      const asked = this.ask();
      if (usable) asked.catch(() => undefined);
      else await asked;
    }
    const now = usable ? known : this.known;
    if (now && this.monotonic() - now.at < FRESH_MS + STALE_MS) return now;
    throw new KeysUnavailable(`The keys of the issuer ${this.issuer.issuer} cannot be had.`);
  }

  private mayAsk(pauseMs: number): boolean {
    return this.monotonic() - this.askedAt >= pauseMs;
  }

  /** Who asks while somebody asks waits for the same answer. */
  private ask(): Promise<void> {
    this.askedAt = this.asking === null ? this.monotonic() : this.askedAt;
    this.asking ??= this.fetch()
      .then((find) => void (this.known = { find, at: this.monotonic() }))
      .finally(() => (this.asking = null));
    return this.asking;
  }

  private async fetch(): Promise<JWTVerifyGetKey> {
    try {
      const signal = AbortSignal.timeout(FETCH_MS);
      const keys = own(await this.json(this.issuer.jwksUrl ?? (await this.advertised(signal)), signal), 'keys');
      if (!Array.isArray(keys) || keys.length > MOST_KEYS) throw new Error('no list of keys, or too long a one');
      return createLocalJWKSet({ keys: keys.filter(isObject) } as unknown as JSONWebKeySet);
    } catch (error) {
      throw new KeysUnavailable(`The keys of the issuer ${this.issuer.issuer} cannot be had.`, { cause: error });
    }
  }

  private async advertised(signal: AbortSignal): Promise<string> {
    const { issuer } = this.issuer;
    const { origin, pathname } = new URL(issuer);
    const path = pathname.replace(/\/$/, '');
    let last: unknown;
    for (const address of [
      `${origin}${path}/.well-known/openid-configuration`,
      `${origin}/.well-known/oauth-authorization-server${path}`,
    ]) {
      try {
        const metadata = await this.json(address, signal);
        if (own(metadata, 'issuer') !== issuer) throw new Error('metadata of another issuer');
        const uri = own(metadata, 'jwks_uri');
        if (typeof uri === 'string') return uri;
        throw new Error('no jwks_uri');
      } catch (error) {
        last = error;
      }
    }
    throw last;
  }

  private async json(url: string, signal: AbortSignal): Promise<JsonObject> {
    const headers = { accept: 'application/json' };
    const { status, body } = await this.outbound.fetch({ url, method: 'GET', headers, signal, maxResponseBytes: MOST_BYTES });
    if (status !== 200) throw new Error(`status ${status}`);
    const json = JSON.parse(new TextDecoder().decode(body)) as Json;
    if (!isObject(json)) throw new Error('no mapping');
    return json;
  }
}
