import { createHash, createSign } from 'node:crypto';
import { type Outbound } from '../engine/outbound-port.js';
import { SecretsError } from '../engine/secrets-port.js';
import { type JsonObject, own } from '../engine/values.js';
import { askProvider, baseOf } from './providers/provider.js';

/** A token is fetched anew so long before it expires. */
const EARLY_MS = 60_000;
/** For answers that do not say how long a token lives. */
const STANDARD_SECONDS = 300;
const MOST_TOKENS = 1_000;
const GOOGLE_TOKEN_URL = 'https://oauth2.googleapis.com/token';
const GOOGLE_SCOPE = 'https://www.googleapis.com/auth/cloud-platform';
const GOOGLE_ASSERTION_SECONDS = 3_600;

/** One request to a token endpoint. */
interface TokenRequest {
  readonly url: string;
  readonly form: Record<string, string>;
  readonly authorization?: string;
}

interface Token {
  readonly text: string;
  /** Epoch ms. */
  readonly until: number;
}

/** OAuth clients: they log in with an id and a secret (RFC 6749, 4.4). */
export const OAUTH_TYPES: ReadonlySet<string> = new Set(['oauth', 'oauth2_client_credentials']);
/** Types whose credentials are exchanged for an access token before they are used. */
export const EXCHANGED_TYPES: ReadonlySet<string> = new Set([...OAUTH_TYPES, 'google_service_account', 'azure']);

/** Access tokens of credentials: fetched through the checked client, kept in memory until shortly before they expire. */
export class AccessTokens {
  private readonly tokens = new Map<string, Promise<Token>>();

  constructor(
    private readonly outbound: Outbound,
    private readonly now: () => number = Date.now,
  ) {}

  /**
   * @param version changes with the credential
   * @param refused a token that is not to come again, whatever its time says
   * Throws SecretsError.
   */
  async of(type: string, version: string, fields: JsonObject, signal: AbortSignal, refused?: string): Promise<string> {
    const key = createHash('sha256')
      .update(`${version} ${JSON.stringify(fields)}`)
      .digest('hex');
    const known = await this.tokens.get(key)?.catch(() => null);
    if (known && known.text !== refused && known.until - EARLY_MS > this.now()) return known.text;
    const asked = this.fetch(type, fields, signal);
    if (this.tokens.size >= MOST_TOKENS) this.tokens.delete(this.tokens.keys().next().value!);
    this.tokens.set(key, asked);
    asked.catch(() => this.tokens.delete(key));
    return (await asked).text;
  }

  private async fetch(type: string, fields: JsonObject, signal: AbortSignal): Promise<Token> {
    const { url, form, authorization } =
      type === 'google_service_account' ? this.assertion(fields) : type === 'azure' ? azureRequest(fields) : clientCredentials(fields);
    const answer = await askProvider(this.outbound, 'The token endpoint', {
      url,
      method: 'POST',
      headers: {
        'content-type': 'application/x-www-form-urlencoded',
        accept: 'application/json',
        ...(authorization ? { authorization } : {}),
      },
      body: new URLSearchParams(form).toString(),
      signal,
    });
    const text = own(answer, 'access_token');
    const seconds = Number(own(answer, 'expires_in') ?? STANDARD_SECONDS);
    if (typeof text !== 'string' || text === '')
      throw new SecretsError('secret_provider_error', 'The token endpoint gave no access token.');
    return { text, until: this.now() + (Number.isFinite(seconds) ? seconds : STANDARD_SECONDS) * 1_000 };
  }

  /** RFC 7523: the service account signs for itself. */
  private assertion(fields: JsonObject): TokenRequest {
    const url = textOf(fields, 'token_uri', GOOGLE_TOKEN_URL);
    const issuedAt = Math.floor(this.now() / 1_000);
    const claims = {
      iss: textOf(fields, 'client_email'),
      scope: textOf(fields, 'scope', GOOGLE_SCOPE),
      aud: url,
      iat: issuedAt,
      exp: issuedAt + GOOGLE_ASSERTION_SECONDS,
    };
    const keyId = own(fields, 'private_key_id');
    const header = { alg: 'RS256', typ: 'JWT', ...(typeof keyId === 'string' ? { kid: keyId } : {}) };
    const unsigned = [header, claims].map((part) => Buffer.from(JSON.stringify(part), 'utf8').toString('base64url')).join('.');
    let signature: string;
    try {
      signature = createSign('RSA-SHA256').update(unsigned).sign(textOf(fields, 'private_key'), 'base64url');
    } catch {
      throw new SecretsError('credential_unreadable', 'The private key of the service account cannot be used.');
    }
    return { url, form: { grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer', assertion: `${unsigned}.${signature}` } };
  }
}

function clientCredentials(fields: JsonObject): TokenRequest {
  const refresh = own(fields, 'refresh_token');
  const grant: Record<string, string> =
    typeof refresh === 'string' && refresh !== ''
      ? { grant_type: 'refresh_token', refresh_token: refresh }
      : { grant_type: 'client_credentials' };
  const more = Object.fromEntries(
    ['scope', 'audience', 'resource'].flatMap((name) => (own(fields, name) ? [[name, textOf(fields, name)]] : [])),
  );
  const url = textOf(fields, 'token_url');
  const [id, secret] = [textOf(fields, 'client_id'), textOf(fields, 'client_secret')];
  const method = textOf(fields, 'token_endpoint_auth_method', 'client_secret_post');
  if (method === 'client_secret_post') return { url, form: { ...grant, client_id: id, client_secret: secret, ...more } };
  if (method !== 'client_secret_basic')
    throw new SecretsError('invalid_value', 'token_endpoint_auth_method must be client_secret_post or client_secret_basic.');
  // RFC 6749, 2.3.1: both parts in the form that forms have.
  const pair = [id, secret].map((part) => new URLSearchParams({ part }).toString().slice('part='.length)).join(':');
  return { url, form: { ...grant, ...more }, authorization: `Basic ${Buffer.from(pair, 'utf8').toString('base64')}` };
}

function azureRequest(fields: JsonObject): TokenRequest {
  const authority = baseOf(textOf(fields, 'authority', 'https://login.microsoftonline.com'));
  return {
    url: `${authority}/${encodeURIComponent(textOf(fields, 'tenant_id'))}/oauth2/v2.0/token`,
    form: {
      grant_type: 'client_credentials',
      client_id: textOf(fields, 'client_id'),
      client_secret: textOf(fields, 'client_secret'),
      scope: textOf(fields, 'scope', 'https://vault.azure.net/.default'),
    },
  };
}

function textOf(fields: JsonObject, name: string, standard?: string): string {
  const value = own(fields, name) ?? standard;
  if (typeof value === 'string' && value !== '') return value;
  throw new SecretsError('missing_credential_field', `The credential lacks the field ${name}.`);
}
