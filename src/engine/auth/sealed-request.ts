import { isObject, type Json, type JsonObject, own } from '../values.js';
import { type AuthEntry } from './auth-spec.js';
import { type SecretReference } from './secret-markers.js';

/** What is recorded beside a request that uses credentials: names and references, never a secret (D23). */
export interface AuthRecord extends JsonObject {
  /** Marks the references in the texts of the request; empty where there are none. */
  nonce: string;
  /** In document order, and after them those that only texts refer to. */
  credentials: (AuthEntry & { hidden: boolean })[];
  references: JsonObject[];
}

/** A request together with the credentials it is performed with. */
export interface SealedRequest extends JsonObject {
  $auth: AuthRecord;
  request: Json;
}

/** The recorded form of a request: as it is where it uses no credentials, so that older histories read the same. */
export function sealedRequest(record: AuthRecord | null, request: Json): Json {
  return record === null ? request : ({ $auth: record, request } satisfies SealedRequest);
}

/** No kind makes a request with this key, and no author or caller can: requests have the fields of their kinds. */
export function isSealed(request: Json): request is SealedRequest {
  return isObject(request) && own(request, '$auth') !== undefined && Object.keys(request).length === 2;
}

export const referencesOf = (record: AuthRecord): readonly SecretReference[] => record.references as unknown as readonly SecretReference[];

/** A request as its kind made it. */
export const plainRequest = (request: Json): Json => (isSealed(request) ? request.request : request);
