import { createHash } from 'node:crypto';
import { decodeJwt, errors, type JWTPayload, jwtVerify } from 'jose';
import { type FastifyRequest } from 'fastify';
import { Authentication, type Demand, type Refusal } from '../common/authentication.js';
import { HttpRefusal } from '../common/http-refusal.js';
import { type Principal } from '../common/principal.js';
import { SCOPE_NAME } from '../engine/playbook/approval-step.js';
import { type Outbound } from '../engine/outbound-port.js';
import { type TokenSettings } from './authentication-settings.js';
import { IssuerKeys, KeysUnavailable } from './issuer-keys.js';
import { TENANT_NAME, type TokenIssuer, type TokenType } from './issuers-file.js';
import { audiencesOf, metadataUrlOf } from './protected-resource.js';

/** How far the clocks of issuers may be off. */
const SKEW_SECONDS = 30;
/** A token that was found to be genuine is not checked again for so long: the key may have been withdrawn. */
const TRUST_MS = 30_000;
const MOST_TRUSTED = 5_000;
const MOST_SUBJECT = 255;
const BEARER = /^Bearer +([A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+) *$/i;

interface TrustedToken {
  readonly issuer: TokenIssuer;
  readonly payload: JWTPayload;
  /** Monotonic milliseconds. */
  readonly until: number;
}

/** A token that says nothing that could be believed. */
class TokenRefused extends Error {}

/**
 * Callers are who their access token (a JWT, RFC 9068 or alike) says: signed by a configured issuer, for this very resource as its audience (RFC 8707), in
 * time (S15). There is no other way in beside it, and nothing is taken from anywhere but the Authorization header.
 */
export class TokenAuthentication extends Authentication {
  private readonly issuers: ReadonlyMap<string, { readonly issuer: TokenIssuer; readonly keys: IssuerKeys }>;
  private readonly trusted = new Map<string, TrustedToken>();

  constructor(
    private readonly settings: TokenSettings,
    outbound: Outbound,
    private readonly clock: { now(): Date; monotonic(): number } = { now: () => new Date(), monotonic: () => performance.now() },
  ) {
    super();
    this.issuers = new Map(
      settings.issuers.map((issuer) => [issuer.issuer, { issuer, keys: new IssuerKeys(issuer, outbound, clock.monotonic) }]),
    );
  }

  /** Throws HttpRefusal: 401 with a challenge (RFC 6750, RFC 9728), 503 where the keys of the issuer cannot be had. */
  override async principalOf(request: FastifyRequest, demand: Demand): Promise<Principal> {
    const { authorization } = request.headers;
    if (authorization === undefined) throw this.refused(demand, 'An access token is needed.', {});
    // Nobody behind this door has a use for it, and nobody can pass it on (S17).
    delete request.raw.headers.authorization;
    try {
      const [, token] = BEARER.exec(authorization) ?? [];
      if (token === undefined) throw new TokenRefused('The Authorization header holds no bearer token that could be one of ours.');
      const { issuer, payload } = await this.genuine(token);
      if (![payload.aud].flat().some((audience) => audience !== undefined && this.isOurs(audience, issuer, demand)))
        throw new TokenRefused('The token is for another audience.');
      return principalIn(payload, issuer);
    } catch (error) {
      if (error instanceof KeysUnavailable) throw new HttpRefusal(503, 'issuer_unavailable', error.message);
      const why = error instanceof TokenRefused ? error.message : reasonOf(error);
      throw this.refused(demand, why, { error: 'invalid_token', description: why });
    }
  }

  override challenge({ resource, scopes }: Demand, { error, description, needed }: Refusal): Record<string, string> {
    const fields = {
      ...(error === undefined ? {} : { error }),
      ...(description === undefined ? {} : { error_description: description }),
      resource_metadata: metadataUrlOf(this.settings.publicUrl, resource[0] ?? ''),
      scope: (needed ?? scopes).join(' '),
    };
    const quoted = Object.entries(fields).map(([name, value]) => `${name}="${value.replaceAll(/["\\]/g, "'")}"`);
    return { 'www-authenticate': `Bearer ${quoted.join(', ')}` };
  }

  private refused(demand: Demand, message: string, refusal: Refusal): HttpRefusal {
    return new HttpRefusal(401, 'unauthorized', message, this.challenge(demand, refusal));
  }

  private isOurs(audience: string, { audiences }: TokenIssuer, { resource }: Demand): boolean {
    return audiences.includes(audience) || audiencesOf(this.settings.publicUrl, resource).includes(audience);
  }

  /** A token whose signature, issuer, time and type are right. */
  private async genuine(token: string): Promise<TrustedToken> {
    const key = createHash('sha256').update(token).digest('base64');
    const now = this.clock.monotonic();
    const before = this.trusted.get(key);
    if (before && before.until > now && !isExpired(before.payload, this.clock.now())) return before;
    this.trusted.delete(key);
    const trusted = { ...(await this.verified(token)), until: now + TRUST_MS };
    this.trusted.set(key, trusted);
    const [oldest] = this.trusted.keys();
    if (this.trusted.size > MOST_TRUSTED && oldest !== undefined) this.trusted.delete(oldest);
    return trusted;
  }

  private async verified(token: string): Promise<{ issuer: TokenIssuer; payload: JWTPayload }> {
    const known = this.issuers.get(String(decodeJwt(token).iss));
    if (!known) throw new TokenRefused('The issuer of the token is not one of those that count here.');
    const { issuer, keys } = known;
    const { payload, protectedHeader } = await jwtVerify(token, keys.find, {
      issuer: issuer.issuer,
      algorithms: [...issuer.algorithms],
      clockTolerance: SKEW_SECONDS,
      currentDate: this.clock.now(),
      requiredClaims: ['exp', 'sub', 'aud'],
    });
    const type = (protectedHeader.typ ?? 'jwt').toLowerCase().replace(/^application\//, '');
    if (!issuer.tokenTypes.includes(type as TokenType)) throw new TokenRefused('The token is of a type that is no access token.');
    return { issuer, payload };
  }
}

const isExpired = ({ exp = 0 }: JWTPayload, now: Date): boolean => exp + SKEW_SECONDS <= now.getTime() / 1_000;

function principalIn(payload: JWTPayload, { issuer, tenant, scopeClaim }: TokenIssuer): Principal {
  const { sub = '' } = payload;
  if (sub === '' || sub.length > MOST_SUBJECT) throw new TokenRefused('The token names no subject, or one that is too long.');
  const name = 'name' in tenant ? tenant.name : payload[tenant.claim];
  if (typeof name !== 'string' || !TENANT_NAME.test(name)) throw new TokenRefused('The token names no tenant.');
  const claimed = scopeClaim === null ? (payload['scope'] ?? payload['scp']) : payload[scopeClaim];
  const words: unknown[] = typeof claimed === 'string' ? claimed.split(' ') : Array.isArray(claimed) ? claimed : [];
  // Words that no route asks for are kept: approvers may be chosen by them.
  const scopes = words.filter((word): word is string => typeof word === 'string' && SCOPE_NAME.test(word));
  // Subjects are unique for their issuer only.
  return { tenant: name, subject: `${issuer}#${sub}`, scopes: new Set(scopes) };
}

/** Why a token is not accepted, in words that hold nothing of it. */
function reasonOf(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'The token has expired.';
  if (error instanceof errors.JWTClaimValidationFailed) {
    return error.claim === 'nbf' ? 'The token is not valid yet.' : `The claim ${error.claim} of the token is missing or wrong.`;
  }
  if (error instanceof errors.JOSEAlgNotAllowed) return 'The token is signed by an algorithm that is not accepted.';
  return 'The token is not valid.';
}
