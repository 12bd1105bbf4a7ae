import { isObject, type Json, type JsonObject } from '../engine/values.js';

/** A request whose answer is a stream of news. */
export const isSubscription = (body: unknown): body is JsonObject => isObject(body) && body.method === 'subscriptions/listen';

/** What a `subscriptions/listen` wants to hear of; none for any other request. */
export function subscribedUris(body: unknown): readonly string[] {
  if (!isSubscription(body) || !isObject(body.params)) return [];
  const { notifications } = body.params;
  const uris: Json | undefined = isObject(notifications) ? notifications.resourceSubscriptions : undefined;
  return Array.isArray(uris) ? uris.filter((uri): uri is string => typeof uri === 'string') : [];
}
