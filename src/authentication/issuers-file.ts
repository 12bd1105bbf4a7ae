import { readOperatorFile } from '../config/operator-file.js';
import { isObject, type Json, type JsonObject, own } from '../engine/values.js';

/** Signatures that are accepted at all: those of key pairs. What issuer and service would share is no way to know the issuer (S15). */
export const TOKEN_ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const;
export type TokenAlgorithm = (typeof TOKEN_ALGORITHMS)[number];

/** Kinds of tokens by their `typ`, lower case: access tokens of RFC 9068, and tokens that only say that they are JWTs, or say nothing. */
const TOKEN_TYPES = ['at+jwt', 'jwt'] as const;
export type TokenType = (typeof TOKEN_TYPES)[number];

/** Somebody whose tokens say who a caller is. */
export interface TokenIssuer {
  /** What tokens have as `iss`, to the letter. */
  readonly issuer: string;
  /** Where its keys are; null: its metadata says so. */
  readonly jwksUrl: string | null;
  readonly algorithms: readonly TokenAlgorithm[];
  readonly tokenTypes: readonly TokenType[];
  /** Further names of this service as an audience, for issuers that cannot name it by its address. */
  readonly audiences: readonly string[];
  /** Whose callers these are: one tenant, or the one that a claim names. */
  readonly tenant: { readonly name: string } | { readonly claim: string };
  /** The claim with the scopes; null: `scope`, else `scp`. */
  readonly scopeClaim: string | null;
}

export const TENANT_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$/;
const MOST_ISSUERS = 100;
const KEYS: ReadonlySet<string> = new Set([
  'issuer',
  'jwks_url',
  'algorithms',
  'token_types',
  'audiences',
  'tenant',
  'tenant_claim',
  'scope_claim',
]);

/**
 * Reads AUTH_ISSUERS_FILE: `{"issuers": [{"issuer": "https://login.example.com", "tenant": "acme"}]}`. An empty path gives none. Throws an Error for the
 * operator.
 */
export function readIssuers(path: string): readonly TokenIssuer[] {
  if (path === '') return [];
  const file = readOperatorFile(path) as Json;
  const list = isObject(file) ? own(file, 'issuers') : undefined;
  if (!Array.isArray(list) || list.length === 0) throw new Error('has no list "issuers", or one that is empty');
  if (list.length > MOST_ISSUERS) throw new Error(`names more than ${MOST_ISSUERS} issuers`);
  const issuers = list.map((entry, index) => issuerOf(entry, index));
  const names = issuers.map(({ issuer }) => issuer);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined) throw new Error(`names the issuer ${twice} twice`);
  return Object.freeze(issuers);
}

function issuerOf(entry: Json, index: number): TokenIssuer {
  const wrong = (why: string): Error => new Error(`issuer ${index + 1} ${why}`);
  if (!isObject(entry)) throw wrong('is not a mapping');
  const unknown = Object.keys(entry).find((key) => !KEYS.has(key));
  if (unknown !== undefined) throw wrong(`has an unknown key ${JSON.stringify(unknown.slice(0, 80))}`);
  const { issuer } = entry;
  if (!isAddress(issuer ?? null)) throw wrong('needs "issuer", an http or https address without a query');
  const jwksUrl = own(entry, 'jwks_url') ?? null;
  if (jwksUrl !== null && !(typeof jwksUrl === 'string' && isOpenAddress(jwksUrl)))
    throw wrong('has a "jwks_url" that is no http or https address without a name and password');
  const scopeClaim = own(entry, 'scope_claim') ?? null;
  if (scopeClaim !== null && !isText(scopeClaim)) throw wrong('has a "scope_claim" that is no text');
  return {
    issuer: issuer as string,
    jwksUrl,
    algorithms: someOf(entry, 'algorithms', TOKEN_ALGORITHMS, wrong),
    tokenTypes: someOf(entry, 'token_types', TOKEN_TYPES, wrong),
    audiences: audiencesOf(entry, wrong),
    tenant: tenantOf(entry, wrong),
    scopeClaim,
  };
}

function someOf<Word extends string>(
  entry: JsonObject,
  key: string,
  words: readonly Word[],
  wrong: (why: string) => Error,
): readonly Word[] {
  const given = own(entry, key) ?? null;
  if (given === null) return words;
  const isFine = Array.isArray(given) && given.length > 0 && given.every((word) => (words as readonly Json[]).includes(word));
  if (!isFine) throw wrong(`has "${key}" that are not one or more of ${words.join(', ')}`);
  return given as Word[];
}

function audiencesOf(entry: JsonObject, wrong: (why: string) => Error): readonly string[] {
  const given = own(entry, 'audiences') ?? [];
  if (!Array.isArray(given) || !given.every(isText)) throw wrong('has "audiences" that are no list of texts');
  return given;
}

function tenantOf(entry: JsonObject, wrong: (why: string) => Error): TokenIssuer['tenant'] {
  const [name, claim] = [own(entry, 'tenant') ?? null, own(entry, 'tenant_claim') ?? null];
  if ((name === null) === (claim === null)) throw wrong('needs either "tenant" or "tenant_claim"');
  if (claim !== null) {
    if (!isText(claim)) throw wrong('has a "tenant_claim" that is no text');
    return { claim };
  }
  if (typeof name !== 'string' || !TENANT_NAME.test(name)) throw wrong('has a "tenant" that is not 1-128 of A-Z, a-z, 0-9, ., _ and -');
  return { name };
}

const isText = (value: Json): value is string => typeof value === 'string' && value !== '';

/** An issuer identifier (RFC 8414, 2): tokens repeat it to the letter, so it is kept as it is written. */
function isAddress(value: Json): boolean {
  if (typeof value !== 'string' || !isOpenAddress(value)) return false;
  const { search, hash } = new URL(value);
  return search === '' && hash === '';
}

/** Addresses of issuers are shown to clients and in the log. */
function isOpenAddress(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && url.username === '' && url.password === '';
}
