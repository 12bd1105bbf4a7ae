import { type Outbound, OutboundError } from '../../engine/outbound-port.js';
import { defineStep, type StepContext, StepFailure } from '../../engine/step-executor.js';
import { type StepFactory } from '../../engine/step-services.js';
import { type Json } from '../../engine/values.js';
import { parseHttpConfig } from './http.config.js';
import { encodeBody, headersOf, type HttpRequest, methodOf, splitInputs, urlOf } from './http.request.js';
import { httpValue } from './http.value.js';

/** Calls an HTTP endpoint through the checked client; any status outside 2xx fails the step and keeps its value for retry conditions. */
const httpStep = (outbound: Outbound) =>
  defineStep({
    kind: 'http',
    effect: true,
    defaultTimeoutSeconds: 30,
    valueAliases: { payload: 'data', body: 'data', json: 'data', response: 'data' },
    parse: parseHttpConfig,

    render(config, inputs, scope, rendering): HttpRequest {
      if (config.usesAuth)
        throw new StepFailure('unsupported_auth', 'Credentials are not available for http steps yet', { retryable: false });
      if (config.usesPagination) {
        throw new StepFailure('unsupported_pagination', 'Pagination (retry.on_success) is not available yet', { retryable: false });
      }
      const method = methodOf(config.method.render(scope, rendering));
      return {
        endpoint: endpointOf(config.endpoint.render(scope, rendering)),
        method,
        headers: headersOf(config.headers.render(scope, rendering)),
        ...splitInputs(method, inputs),
        verify: isTrue(config.verify.render(scope, rendering)),
      };
    },

    async execute(request, context) {
      const { body, contentType } = encodeBody(request);
      const headers = sentHeaders(request.headers, contentType, context);
      const url = urlOf(request);
      const { method, verify } = request;
      const admit = (bytes: number): Promise<void> => context.admit(bytes);
      const response = await outbound.fetch({ url, method, headers, body, verify, signal: context.signal, admit }).catch(failStep);
      const value = httpValue(response);
      if (response.status >= 200 && response.status <= 299) return { value };
      throw new StepFailure('http_error', `The endpoint answered with status ${response.status}`, { statusCode: response.status, value });
    },
  });

const factory: StepFactory = ({ outbound }) => httpStep(outbound);
export default factory;

function endpointOf(rendered: Json): string {
  const endpoint = typeof rendered === 'string' ? rendered.trim() : '';
  if (endpoint === '')
    throw new StepFailure('invalid_endpoint', 'The endpoint of the http step is empty or not a text', { retryable: false });
  return endpoint;
}

/** Playbooks write booleans as text too; whatever does not say no leaves verification on. */
function isTrue(rendered: Json): boolean {
  return !(
    rendered === false ||
    rendered === 0 ||
    (typeof rendered === 'string' && ['false', 'no', 'off', 'n', '0'].includes(rendered.trim().toLowerCase()))
  );
}

/** The author's headers, the encoding's Content-Type, and the attempt's idempotency key where the author sets none. */
function sentHeaders(headers: Record<string, string>, contentType: string | null, context: StepContext): Record<string, string> {
  const without = contentType === null ? headers : omit(headers, 'content-type');
  const typed = contentType === null ? without : { ...without, 'Content-Type': contentType };
  const hasKey = Object.keys(typed).some((name) => name.toLowerCase() === 'idempotency-key');
  return hasKey ? typed : { ...typed, 'Idempotency-Key': context.idempotencyKey };
}

function omit(headers: Record<string, string>, unwanted: string): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => name.toLowerCase() !== unwanted));
}

function failStep(error: unknown): never {
  if (error instanceof OutboundError) throw new StepFailure(error.code, error.message, { retryable: error.retryable });
  throw error;
}
