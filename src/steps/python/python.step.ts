import { EngineError } from '../../engine/engine-error.js';
import { type PythonOutcome, type Sandbox, SandboxError } from '../../engine/sandbox-port.js';
import { defineStep, StepFailure, type StepResult } from '../../engine/step-executor.js';
import { type StepFactory } from '../../engine/step-services.js';
import { isObject, type JsonObject } from '../../engine/values.js';
import { fillPlaceholders } from './placeholders.js';
import { CodeRegistry, type PythonCode } from './python-code.js';
import { contextOf, fallbacksOf, valueAt } from './python-context.js';

type PythonConfig = { readonly kind: 'code'; readonly code: PythonCode } | { readonly kind: 'script' };

/** What is recorded: `code` only where placeholders changed it, else its digest finds the registered text. */
export interface PythonRequest extends JsonObject {
  codeDigest: string;
  code: string | null;
  inputs: JsonObject;
  fallbacks: JsonObject;
  context: JsonObject | null;
}

/** Runs main() of the playbook's Python code in the sandbox; an exception, or a value {status: error, error: text}, fails the step. */
const pythonStep = (sandbox: Sandbox) => {
  const registry = new CodeRegistry();
  return defineStep<PythonConfig, PythonRequest>({
    kind: 'python',
    effect: !sandbox.networkDenied,
    defaultTimeoutSeconds: 60,

    parse({ fields }) {
      const { code } = fields;
      if (typeof code === 'string' && code.trim() !== '') return { kind: 'code', code: registry.add(code) };
      if (fields['script'] !== undefined && fields['script'] !== null) return { kind: 'script' };
      throw new EngineError('invalid', 'missing_field', 'A python step needs code', [
        { code: 'missing_field', message: 'code is missing or empty', pointer: '/code' },
      ]);
    },

    render(config, inputs, scope, rendering) {
      if (config.kind === 'script')
        throw new StepFailure('unsupported_script', 'Script sources are not available for python steps yet', { retryable: false });
      const { code } = config;
      const filled = code.hasPlaceholder ? fillPlaceholders(code.text, (path) => valueAt(scope, path)) : code.text;
      // In code a secret would be source text.
      if (filled !== code.text) rendering.refuseSecrets(filled, 'A placeholder in Python code');
      return {
        codeDigest: code.digest,
        code: filled === code.text ? null : filled,
        inputs,
        fallbacks: fallbacksOf(code, inputs, scope),
        context: code.usesContext ? contextOf(code, inputs, scope) : null,
      };
    },

    async execute({ code: filled, codeDigest, ...call }, { tenantId, executionId, claimNo, signal }) {
      const code = filled ?? registry.find(codeDigest)?.text;
      if (code === undefined) throw new Error(`no parsed playbook holds the python code ${codeDigest}`);
      const outcome = await sandbox.runPython({ ...call, code, tenantId, executionId, claimNo, signal }).catch(failStep);
      return resultOf(outcome);
    },
  });
};

const factory: StepFactory = ({ sandbox }) => pythonStep(sandbox);
export default factory;

function resultOf(outcome: PythonOutcome): StepResult {
  const { logs } = outcome;
  if (!outcome.ok) {
    const { code, type, message, frames } = outcome;
    throw new StepFailure(code, message === '' ? type : `${type}: ${message}`, {
      logs,
      cause: { type, frames },
      retryable: code === 'python_error',
    });
  }
  const { value } = outcome;
  if (isObject(value) && value['status'] === 'error' && typeof value['error'] === 'string' && value['error'] !== '') {
    throw new StepFailure('step_error', value['error'].slice(0, 2000), { logs, value });
  }
  return { value, logs };
}

function failStep(error: unknown): never {
  if (!(error instanceof SandboxError)) throw error;
  throw new StepFailure(error.code === 'process_lost' ? 'python_error' : error.code, error.message, { retryable: error.retryable });
}
