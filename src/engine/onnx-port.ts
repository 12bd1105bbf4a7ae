import { type Tensor, type TensorRule } from './tensors/tensor.js';
import { type JsonObject } from './values.js';

/** Models in ONNX files below the operator's MODEL_ROOT, run outside the service's process (src/sandbox). */
export interface OnnxModels {
  /**
   * Lends a loaded model for as long as `work` goes on. When the signal is aborted the process that runs it is killed.
   * @throws StepFailure `provider_unavailable`, `model_unavailable`; `signal.reason` when aborted
   */
  use<Result>(loan: OnnxLoan, work: (model: OnnxModel) => Promise<Result>): Promise<Result>;
}

export interface OnnxLoan {
  /** Processes are never shared between tenants. */
  readonly tenantId: string;
  /** Path below MODEL_ROOT. */
  readonly file: string;
  readonly signal: AbortSignal;
}

export interface OnnxModel {
  /** sha-256 of the file, hex. */
  readonly digest: string;
  /** Tensors as the file describes them. */
  readonly inputs: readonly TensorRule[];
  readonly outputs: readonly TensorRule[];
  /**
   * @param outputs names of those that are wanted
   * @returns `{name, datatype, shape, data}` of each, elements in a row; a float that JSON cannot hold is its name (`NaN`, `Infinity`)
   * @throws StepFailure `model_error`, `result_too_large`
   */
  run(inputs: readonly Tensor[], outputs: readonly string[]): Promise<readonly JsonObject[]>;
}
