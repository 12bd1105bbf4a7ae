import { createHash } from 'node:crypto';
import querystring from 'node:querystring';
import { type AuthEntry } from '../engine/auth/auth-spec.js';
import { isSecretField, mainField, typeFits, withAllNames } from '../engine/auth/credential-types.js';
import { type Outbound } from '../engine/outbound-port.js';
import {
  type FetchedSecret,
  type OpenedCredential,
  type SecretProviders,
  type Secrets,
  type TokenWish,
  SecretsError,
  type WantedSecret,
} from '../engine/secrets-port.js';
import { isObject, type Json, type JsonObject, own } from '../engine/values.js';
import { type CredentialRecord, type CredentialRepository } from '../storage/repositories/credential.repository.js';
import { AccessTokens, EXCHANGED_TYPES, OAUTH_TYPES } from './access-tokens.js';
import { decryptFields, openReference, sealReference } from './envelope.js';
import { type KeyRing } from './key-ring.js';
import { awsProvider } from './providers/aws.js';
import { azureProvider } from './providers/azure.js';
import { gcpProvider } from './providers/gcp.js';
import { type SecretProvider } from './providers/provider.js';
import { vaultProvider } from './providers/vault.js';

/** The login of a provider where a step names none: the credential of this name. */
const loginNameOf = (provider: string): string => `secrets_${provider}`;

/** Opens credentials and secrets for steps: the implementation of the engine's ports on the store, the environment and the providers. */
export class SecretStore implements Secrets, SecretProviders {
  private readonly tokens: AccessTokens;
  private readonly providers: ReadonlyMap<string, SecretProvider>;

  /**
   * @param ring null: no key is configured, and nothing that is encrypted can be used
   * @param environment secrets of the operator by name
   */
  constructor(
    private readonly credentials: CredentialRepository,
    private readonly ring: KeyRing | null,
    private readonly environment: Readonly<Record<string, string>>,
    outbound: Outbound,
  ) {
    this.tokens = new AccessTokens(outbound);
    this.providers = new Map([
      ['vault', vaultProvider(outbound)],
      ['aws', awsProvider(outbound)],
      ['gcp', gcpProvider(outbound)],
      ['azure', azureProvider(outbound)],
    ]);
  }

  async open(tenantId: string, entry: AuthEntry, signal: AbortSignal, { resource, refused }: TokenWish = {}): Promise<OpenedCredential> {
    const found = await this.fieldsOf(tenantId, entry, signal);
    const type = found.type.toLowerCase();
    const fields: JsonObject = { ...withAllNames(type, { ...found.fields, ...entry.fields }) };
    const version = Object.keys(entry.fields).length === 0 ? found.version : `${found.version}+${digestOf(entry.fields)}`;
    if (EXCHANGED_TYPES.has(type)) {
      // What identifies the client is as secret as what it gets.
      const named = !OAUTH_TYPES.has(type) || resource === undefined || 'resource' in fields || 'audience' in fields;
      const token = await this.tokens.of(type, version, named ? fields : { ...fields, resource }, signal, refused);
      return { type, version, fields: { ...fields, access_token: token }, secrets: [...secretsOf(type, fields), token] };
    }
    return { type, version, fields, secrets: secretsOf(type, fields) };
  }

  async secret(tenantId: string, name: string): Promise<string> {
    const value = own(this.environment as JsonObject, name);
    if (typeof value === 'string') return value;
    const record = await this.credentials.byName(tenantId, name);
    if (!record)
      throw new SecretsError('unknown_secret', `There is no secret ${name}: neither NOETL_SECRET_${name} nor a credential of that name.`);
    return this.mainText(record);
  }

  seal(tenantId: string, reference: Json): string {
    return sealReference(this.keys(), tenantId, reference);
  }

  async reveal(tenantId: string, token: string, signal: AbortSignal): Promise<string | null> {
    const reference = this.ring && openReference(this.ring, tenantId, token);
    if (!isObject(reference)) return null;
    const { wanted, login } = reference as unknown as { wanted: WantedSecret; login: AuthEntry[] };
    const opened = login[0] ? await this.open(tenantId, login[0], signal) : null;
    return (await this.fetch(tenantId, wanted, opened, signal)).value;
  }

  async fetch(tenantId: string, wanted: WantedSecret, login: OpenedCredential | null, signal: AbortSignal): Promise<FetchedSecret> {
    const { provider, name, version } = wanted;
    if (provider === 'env') {
      const value = own(this.environment as JsonObject, name);
      if (typeof value !== 'string') throw new SecretsError('unknown_secret', `NOETL_SECRET_${name} is not set.`);
      return { value, version };
    }
    if (provider === 'credential') {
      const [credential = name, field] = name.split('#');
      const record = await this.known(tenantId, credential);
      return {
        value: field === undefined ? this.mainText(record) : fieldText(this.decrypted(record), field),
        version: String(record.version),
      };
    }
    const found = this.providers.get(provider);
    if (!found) {
      const words = ['env', 'credential', ...this.providers.keys()].join(', ');
      throw new SecretsError('invalid_value', `There is no secret provider ${provider}; there are ${words}.`);
    }
    return found.fetch(wanted, login ?? (await this.standardLogin(tenantId, provider, signal)), signal);
  }

  private async standardLogin(tenantId: string, provider: string, signal: AbortSignal): Promise<OpenedCredential> {
    const name = loginNameOf(provider);
    return this.open(tenantId, { alias: provider, source: 'credential', name, type: null, fields: {} }, signal).catch((error: unknown) => {
      if (!(error instanceof SecretsError) || error.code !== 'unknown_credential') throw error;
      throw new SecretsError(
        'unknown_credential',
        `The provider ${provider} needs a login: an auth on the step, or a credential named ${name}.`,
      );
    });
  }

  /** What an alias names, before overrides. */
  private async fieldsOf(
    tenantId: string,
    { source, name, type, alias }: AuthEntry,
    signal: AbortSignal,
  ): Promise<Omit<OpenedCredential, 'secrets'>> {
    if (source === 'inline') return { type: type ?? 'generic', version: 'inline', fields: {} };
    if (source === 'credential') {
      const record = await this.known(tenantId, name ?? '');
      if (type !== null && !typeFits(type, record.type)) {
        throw new SecretsError(
          'credential_type_mismatch',
          `The credential ${record.name} is of type ${record.type}, and auth ${alias} needs ${type}.`,
        );
      }
      return {
        type: record.type === 'generic' && type !== null ? type : record.type,
        version: `${record.id}.${record.version}`,
        fields: this.decrypted(record),
      };
    }
    const text =
      source === 'env' ? (await this.fetch(tenantId, envSecret(name ?? ''), null, signal)).value : await this.secret(tenantId, name ?? '');
    const fields = mappingIn(text) ?? { [mainField(type)]: text };
    return { type: type ?? 'generic', version: `${source}.${name ?? ''}.${digestOf(text)}`, fields };
  }

  private async known(tenantId: string, name: string): Promise<CredentialRecord> {
    const record = await this.credentials.byName(tenantId, name);
    if (record) return record;
    throw new SecretsError('unknown_credential', `There is no credential ${name}.`);
  }

  private decrypted(record: CredentialRecord): JsonObject {
    return decryptFields(this.keys(), record, record);
  }

  private mainText(record: CredentialRecord): string {
    const fields = this.decrypted(record);
    return fieldText(
      withAllNames(record.type, fields),
      Object.keys(fields).length === 1 ? Object.keys(fields)[0]! : mainField(record.type),
    );
  }

  private keys(): KeyRing {
    if (this.ring) return this.ring;
    throw new SecretsError('encryption_key_missing', 'The node has no encryption key (ENCRYPTION_KEY_FILE).');
  }
}

const envSecret = (name: string): WantedSecret => ({ provider: 'env', name, project: null, version: 'latest' });

function fieldText(fields: JsonObject, field: string): string {
  const value = own(fields, field);
  if (value === undefined || value === null) throw new SecretsError('missing_credential_field', `The credential has no field ${field}.`);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function mappingIn(text: string): JsonObject | null {
  if (!text.trimStart().startsWith('{')) return null;
  try {
    const json = JSON.parse(text) as Json;
    return isObject(json) ? json : null;
  } catch {
    return null;
  }
}

/** The texts that must not come out anywhere. Passwords inside addresses are among them. */
function secretsOf(type: string, fields: JsonObject): string[] {
  return Object.entries(fields).flatMap(([field, value]) => (isSecretField(type, field) ? textsIn(value) : []));
}

function textsIn(value: Json): string[] {
  if (typeof value === 'string') {
    const password = URL.canParse(value) ? new URL(value).password : '';
    return password === '' ? [value] : [value, password, querystring.unescape(password)];
  }
  if (typeof value === 'number') return [String(value)];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap((item) => textsIn(item as Json)) : [];
}

const digestOf = (value: Json): string => createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
