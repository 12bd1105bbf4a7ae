import { defineStep, StepFailure } from '../../engine/step-executor.js';
import { type StepFactory } from '../../engine/step-services.js';
import { parseModel, renderModel } from './model.request.js';
import { builtinProvider } from './providers/builtin.js';
import { CircuitBreaker } from './providers/circuit-breaker.js';
import { onnxProvider } from './providers/onnx.js';
import { openInferenceProvider } from './providers/open-inference.js';
import { openaiProvider } from './providers/openai.js';
import { type ModelProvider } from './providers/provider.js';

/**
 * Asks a model, as the one step of a Model's program. The value is what the model answers, which model that was, and what it took:
 * `{…outputs, model: {requested, served, provider}, usage: {input_tokens, output_tokens, duration_ms}}`.
 */
const modelStep = (providers: Readonly<Record<string, ModelProvider>>) =>
  defineStep({
    kind: 'model_call',
    effect: true,
    defaultTimeoutSeconds: 60,
    parse: parseModel,
    render: renderModel,

    async execute(request, context) {
      const provider = Object.hasOwn(providers, request.provider) ? providers[request.provider] : undefined;
      if (!provider) {
        throw new StepFailure('provider_unavailable', `Models of provider ${request.provider} cannot run here.`, { retryable: false });
      }
      const begun = performance.now();
      const { outputs, served, inputTokens, outputTokens } = await provider.infer(request, context);
      return {
        value: {
          ...outputs,
          model: { requested: request.requested, served, provider: request.provider },
          usage: { input_tokens: inputTokens, output_tokens: outputTokens, duration_ms: Math.round(performance.now() - begun) },
        },
      };
    },
  });

const factory: StepFactory = ({ streams, live, onnx }) => {
  const breaker = new CircuitBreaker();
  return modelStep({
    builtin: builtinProvider(),
    openai: openaiProvider(streams, live, breaker),
    open_inference: openInferenceProvider(streams, breaker),
    onnx: onnxProvider(onnx),
  });
};
export default factory;
