import { type Outbound, OutboundError } from '../../engine/outbound-port.js';
import { defineStep, type StepContext, StepFailure } from '../../engine/step-executor.js';
import { type StepFactory } from '../../engine/step-services.js';
import { withAuth } from '../../outbound/auth-headers.js';
import { answerValue } from '../../outbound/answer-value.js';
import { LargeAnswers } from '../../outbound/large-answers.js';
import { LARGE_BODY_BYTES } from '../../outbound/response-body.js';
import { encodeBody, type HttpRequest, methodOf, splitInputs, targetOf, urlOf } from '../../outbound/http-request.js';
import { parseHttpConfig } from './http.config.js';
import { httpPages } from './http.pages.js';
import { httpSave } from './http.save.js';

/** Calls an HTTP endpoint through the checked client; any status outside 2xx fails the step and keeps its value for retry conditions. */
const httpStep = (outbound: Outbound, largeAnswers: LargeAnswers) =>
  defineStep({
    kind: 'http',
    effect: true,
    defaultTimeoutSeconds: 30,
    valueAliases: { payload: 'data', body: 'data', json: 'data', response: 'data' },
    parse: parseHttpConfig,

    render(config, inputs, scope, rendering): HttpRequest {
      const method = methodOf(config.method.render(scope, rendering));
      return { ...targetOf(config, scope, rendering), method, ...splitInputs(method, inputs) };
    },

    save: httpSave,
    pages: httpPages,

    async execute(request, context) {
      const { body, contentType } = encodeBody(request);
      const headers = sentHeaders(withAuth(request.headers, context.auth), contentType, context);
      const url = urlOf(request);
      const { method, verify } = request;
      const admit = (bytes: number): Promise<void> => context.admit(bytes);
      const response = await outbound
        .fetch({ url, method, headers, body, verify, signal: context.signal, admit, beforeSending: () => context.assertHeld() })
        .catch(failStep);
      const isLarge = response.body.length > LARGE_BODY_BYTES;
      if (isLarge) await context.admit(0);
      const value = isLarge ? await largeAnswers.read(response, context.signal) : answerValue(response);
      if (response.status >= 200 && response.status <= 299) return { value };
      throw new StepFailure('http_error', `The endpoint answered with status ${response.status}`, { statusCode: response.status, value });
    },
  });

const factory: StepFactory = ({ outbound }) => httpStep(outbound, new LargeAnswers());
export default factory;

/** The author's headers, the encoding's Content-Type, and the attempt's idempotency key where the author sets none. */
function sentHeaders(headers: Record<string, string>, contentType: string | null, context: StepContext): Record<string, string> {
  const sent: Record<string, string> = {};
  let hasKey = false;
  for (const [name, value] of Object.entries(headers)) {
    const lower = name.toLowerCase();
    if (lower === 'content-type' && contentType !== null) continue;
    hasKey ||= lower === 'idempotency-key';
    sent[name] = value;
  }
  if (contentType !== null) sent['Content-Type'] = contentType;
  if (!hasKey) sent['Idempotency-Key'] = context.idempotencyKey;
  return sent;
}

function failStep(error: unknown): never {
  if (error instanceof OutboundError) throw new StepFailure(error.code, error.message, { retryable: error.retryable });
  throw error;
}
