import { type OnnxModels } from '../../../engine/onnx-port.js';
import { type ModelProvider } from './provider.js';
import { declaredFace, inferInBatches, tensorsOf } from './tensor-call.js';

const SHOWN_DIGEST = 12;

/** Models in ONNX files below MODEL_ROOT, by onnxruntime-node where it is installed. What the entry does not say of its tensors, the file does. */
export function onnxProvider(models: OnnxModels): ModelProvider {
  return {
    async infer(request, { tenantId, signal }) {
      const declared = declaredFace(request);
      const early = declared.inputs.length > 0 ? tensorsOf(request, declared) : null;
      const file = request.model ?? '';
      return models.use({ tenantId, file, signal }, async (model) => {
        const face = {
          inputs: declared.inputs.length > 0 ? declared.inputs : model.inputs,
          outputs: declared.outputs.length > 0 ? declared.outputs : model.outputs,
        };
        const wanted = face.outputs.map(({ name }) => name);
        const outputs = await inferInBatches(request, face, early ?? tensorsOf(request, face), (tensors) => model.run(tensors, wanted));
        return { outputs, served: `${file}@sha256:${model.digest.slice(0, SHOWN_DIGEST)}`, inputTokens: null, outputTokens: null };
      });
    },
  };
}
