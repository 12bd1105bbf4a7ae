import { type Outbound, type OutboundRequest } from '../../engine/outbound-port.js';
import { type FetchedSecret, type OpenedCredential, SecretsError, type WantedSecret } from '../../engine/secrets-port.js';
import { isObject, type Json, type JsonObject, own } from '../../engine/values.js';
import { ProviderCall } from './provider-call.js';

/** Fetches one secret from one kind of place. Throws SecretsError. */
export interface SecretProvider {
  fetch(wanted: WantedSecret, login: OpenedCredential, signal: AbortSignal): Promise<FetchedSecret>;
}

/** Asks for a JSON object through the one checked client (S6). Messages say who answered what, never with what. */
export async function askProvider(outbound: Outbound, who: string, { signal, ...request }: OutboundRequest): Promise<JsonObject> {
  const call = new ProviderCall(outbound, who, signal);
  return call.ask(async () => {
    const answer = await call.send(request);
    const json = answer.status < 200 || answer.status > 299 ? null : (JSON.parse(Buffer.from(answer.body).toString('utf8')) as Json);
    if (isObject(json)) return json;
    throw new Error('no JSON object');
  });
}

/** A field of the login, as text. Throws SecretsError where it has to be there and is not. */
export function loginField(login: OpenedCredential, field: string): string;
export function loginField(login: OpenedCredential, field: string, standard: string): string;
export function loginField(login: OpenedCredential, field: string, standard?: string): string {
  const value = own(login.fields as JsonObject, field);
  if (typeof value === 'string' && value !== '') return value;
  if (standard !== undefined) return standard;
  throw new SecretsError('missing_credential_field', `The credential of the provider lacks the field ${field}.`);
}

/** `path#field` names one field of a secret that has several. */
export function nameAndField({ name }: WantedSecret): { readonly name: string; readonly field: string | null } {
  const at = name.indexOf('#');
  return at < 0 ? { name, field: null } : { name: name.slice(0, at), field: name.slice(at + 1) };
}

/** The text of a secret that is a mapping: the field that was named, the only one, `value`, else all of it as JSON. */
export function textOfFields(fields: JsonObject, field: string | null): string {
  const keys = Object.keys(fields);
  const chosen = field ?? (keys.length === 1 ? keys[0]! : 'value' in fields ? 'value' : null);
  const value = chosen === null ? fields : own(fields, chosen);
  if (value === undefined || value === null) throw new SecretsError('unknown_secret', `The secret has no field ${chosen ?? ''}.`);
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** The same for a text that is perhaps a mapping in JSON. */
export function fieldOfText(text: string, field: string | null): string {
  if (field === null) return text;
  try {
    const json = JSON.parse(text) as Json;
    if (isObject(json)) return textOfFields(json, field);
  } catch {
    // told below
  }
  throw new SecretsError('unknown_secret', 'The secret is no mapping in JSON, so no field of it can be named.');
}

/** An address without a slash at its end. */
export const baseOf = (address: string): string => address.replace(/\/+$/, '');

/** A name as part of a path: slashes stay, anything else is encoded. */
export const pathOf = (name: string): string => name.split('/').map(encodeURIComponent).join('/');
