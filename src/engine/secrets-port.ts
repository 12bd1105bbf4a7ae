import { type ErrorCode } from './error-codes.js';
import { type AuthEntry } from './auth/auth-spec.js';
import { type Json, type JsonObject } from './values.js';

/** Where the node's implementation is found. */
export const SECRETS = Symbol('SECRETS');

/** A credential as it is now: opened for one attempt, never recorded. */
export interface OpenedCredential {
  /** As it is stored or was asked for, lower case. */
  readonly type: string;
  /** Changes with every change of the fields: what pools and caches are keyed by. */
  readonly version: string;
  readonly fields: Readonly<JsonObject>;
  /** Values that are secret; redacted wherever they appear. */
  readonly secrets: readonly string[];
}

/** About the access token of a credential that is exchanged for one (OAuth clients); other credentials have none. */
export interface TokenWish {
  /** What the token is for (RFC 8707), where the credential says neither `resource` nor `audience`. */
  readonly resource?: string;
  /** A token that was refused although its time is not over: another one is asked for. */
  readonly refused?: string;
}

/** What opens the references of recorded requests, right before each attempt (D23). The implementation is outside the engine. */
export interface Secrets {
  /** @throws SecretsError unknown_credential, credential_type_mismatch, … */
  open(tenantId: string, entry: AuthEntry, signal: AbortSignal, wish?: TokenWish): Promise<OpenedCredential>;
  /** `{{ secret.NAME }}`. @throws SecretsError unknown_secret */
  secret(tenantId: string, name: string, signal: AbortSignal): Promise<string>;
  /** An encrypted reference to a secret, hexadecimal. @throws SecretsError encryption_key_missing */
  seal(tenantId: string, reference: Json): string;
  /** The secret of a reference that `seal` made; null for anything else. @throws SecretsError where it cannot be fetched now */
  reveal(tenantId: string, token: string, signal: AbortSignal): Promise<string | null>;
}

/** A secret that cannot be had. The message holds names, never values. */
export class SecretsError extends Error {
  constructor(
    readonly code: ErrorCode,
    message: string,
    /** True where the same call may succeed later without anyone changing anything. */
    readonly retryable = false,
  ) {
    super(message);
    this.name = 'SecretsError';
  }
}

/** Where a `secrets` step fetches from: one of the providers, by its word. */
export interface SecretProviders {
  /** @throws SecretsError */
  fetch(tenantId: string, wanted: WantedSecret, login: OpenedCredential | null, signal: AbortSignal): Promise<FetchedSecret>;
}
export interface WantedSecret extends JsonObject {
  provider: string;
  name: string;
  project: string | null;
  /** `latest`, or as the provider counts. */
  version: string;
}
export interface FetchedSecret {
  readonly value: string;
  /** The version that was found, where the provider says; else as wanted. */
  readonly version: string;
}

/** For nodes and tests without a store: nothing is known. */
export const NO_SECRETS: Secrets = {
  open: (_tenant, { name }) => Promise.reject(new SecretsError('unknown_credential', `There is no credential ${name ?? ''}.`)),
  secret: (_tenant, name) => Promise.reject(new SecretsError('unknown_secret', `There is no secret ${name}.`)),
  seal: () => {
    throw new SecretsError('encryption_key_missing', 'No encryption key is configured.');
  },
  reveal: () => Promise.resolve(null),
};
