import { type Issue } from '../../../engine/engine-error.js';
import { StepFailure } from '../../../engine/step-executor.js';
import { batchesOfTensors, joinBatches, rowsOfBatches } from '../../../engine/tensors/batches.js';
import { checkOutputs, readTensors, readTypedTensors } from '../../../engine/tensors/read-tensors.js';
import { nestedOf, type Tensor, type TensorRule } from '../../../engine/tensors/tensor.js';
import { type Json, type JsonObject, own } from '../../../engine/values.js';
import { type ModelRequest } from '../model.request.js';
import { garbled } from './remote.js';

/** Tensors that a model takes and gives; an empty list: nothing is known of them. */
export interface TensorFace {
  readonly inputs: readonly TensorRule[];
  readonly outputs: readonly TensorRule[];
}

/** One inference: `{name, datatype, shape, data}` of each output, as whoever ran it says. */
export type InferTensors = (inputs: readonly Tensor[]) => Promise<readonly JsonObject[]>;

/** What the entry says of its tensors. */
export function declaredFace({ options }: ModelRequest): TensorFace {
  const rules = (key: string): TensorRule[] => (own(options, key) ?? []) as TensorRule[];
  return { inputs: rules('inputs'), outputs: rules('outputs') };
}

/**
 * The inputs of a request as tensors of the model.
 * @throws StepFailure `invalid_tensor`, with `cause.errors`
 */
export function tensorsOf({ inputs, options }: ModelRequest, face: TensorFace): readonly Tensor[] {
  const { tensors, issues } =
    face.inputs.length > 0 ? readTensors(face.inputs, inputs, own(options, 'closed') === true) : readTypedTensors(inputs);
  if (issues.length > 0) throw misfit('invalid_tensor', 'The inputs do not fit the model', '/inputs', issues, false);
  if (tensors.length === 0)
    throw misfit('invalid_tensor', 'There is no input', '', [{ code: 'invalid_tensor', pointer: '/inputs', message: 'is empty' }], false);
  return tensors;
}

/**
 * Runs the model on tensors, in batches where the entry has `batch_size`, and checks what comes back.
 * @returns `{outputs: nested lists by key, tensors: {datatype, shape} by key}`
 * @throws StepFailure `invalid_tensor`, `invalid_model_response`, and what `infer` throws
 */
export async function inferInBatches(
  { options }: ModelRequest,
  face: TensorFace,
  tensors: readonly Tensor[],
  infer: InferTensors,
): Promise<JsonObject> {
  const most = own(options, 'batch_size');
  const batches = batchesOfTensors(face.inputs, tensors, typeof most === 'number' ? most : null);
  if (!batches) {
    const message = 'differ in their first dimension, so that they cannot be cut into batches';
    throw misfit(
      'invalid_tensor',
      'The inputs do not fit each other',
      '',
      [{ code: 'invalid_tensor', pointer: '/inputs', message }],
      false,
    );
  }
  const answers: (readonly Tensor[])[] = [];
  for (const batch of batches) answers.push(outputsOf(await infer(batch), face, batch));
  const joined = joinBatches(answers, rowsOfBatches(batches));
  if (!joined) throw garbled('batches whose tensors cannot be put together: their first dimension is not that of what was asked');
  const keyOf = (name: string): string => face.outputs.find((rule) => rule.name === name)?.key ?? name;
  const byKey = (value: (tensor: Tensor) => Json): JsonObject =>
    Object.fromEntries(joined.map((tensor) => [keyOf(tensor.name), value(tensor)]));
  return { outputs: byKey(nestedOf), tensors: byKey(({ datatype, shape }) => ({ datatype, shape: [...shape] })) };
}

function outputsOf(given: readonly JsonObject[], face: TensorFace, taken: readonly Tensor[]): readonly Tensor[] {
  const { tensors, issues } =
    face.outputs.length > 0
      ? checkOutputs(face.outputs, given, { rules: face.inputs, tensors: taken })
      : readTypedTensors(Object.fromEntries(given.map((tensor) => [String(own(tensor, 'name')), tensor])));
  if (issues.length > 0) throw misfit('invalid_model_response', 'The answer of the model does not fit', '/outputs', issues, true);
  return tensors;
}

function misfit(
  code: 'invalid_tensor' | 'invalid_model_response',
  what: string,
  base: string,
  issues: readonly Issue[],
  retryable: boolean,
): StepFailure {
  const errors = issues.map(({ code: of, pointer = '', message }) => ({ code: of, pointer: base + pointer, message }));
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  return new StepFailure(code, `${what}: ${errors[0]!.pointer} ${errors[0]!.message}${more}.`, { retryable, cause: { errors } });
}
