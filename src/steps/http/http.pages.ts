import { type Pages } from '../../engine/step-executor.js';
import { isObject, type Json, type JsonObject, own } from '../../engine/values.js';
import { endpointOf, headersOf, type HttpRequest, splitInputs } from '../../outbound/http-request.js';

/** From page to page: `next_call` is laid over the request of the page before. */
export const httpPages: Pages = {
  body: (value): Json => (isObject(value) ? (value['data'] ?? null) : null),

  next(request, call): HttpRequest {
    const before = request as HttpRequest;
    const params = mapping(call, 'params');
    const data = splitInputs(before.method, mapping(call, 'data'));
    const url = own(call, 'url') ?? own(call, 'endpoint');
    return {
      ...before,
      ...(url === undefined || url === null ? {} : { endpoint: endpointOf(url) }),
      headers: { ...before.headers, ...headersOf(mapping(call, 'headers')) },
      query: { ...before.query, ...data.query, ...params },
      body: isObject(before.body) && isObject(data.body) ? { ...before.body, ...data.body } : (data.body ?? before.body),
    };
  },
};

function mapping(call: JsonObject, name: string): JsonObject {
  const value = own(call, name);
  return isObject(value) ? value : {};
}
