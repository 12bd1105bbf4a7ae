import { contextOf, fallbacksOf, valueAt } from '../../engine/code/code-context.js';
import { CodeRegistry } from '../../engine/code/code-registry.js';
import { notRun, resultOf } from '../../engine/code/code-outcome.js';
import { EngineError } from '../../engine/engine-error.js';
import { type Sandbox } from '../../engine/sandbox-port.js';
import { defineStep, StepFailure } from '../../engine/step-executor.js';
import { type StepFactory } from '../../engine/step-services.js';
import { type JsonObject } from '../../engine/values.js';
import { fillPlaceholders } from './placeholders.js';
import { PythonCode } from './python-code.js';

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
  const registry = new CodeRegistry<PythonCode>();
  return defineStep<PythonConfig, PythonRequest>({
    kind: 'python',
    effect: !sandbox.networkDenied,
    defaultTimeoutSeconds: 60,

    parse({ fields }) {
      const { code } = fields;
      if (typeof code === 'string' && code.trim() !== '') return { kind: 'code', code: registry.add(new PythonCode(code)) };
      if (fields['script'] !== undefined && fields['script'] !== null) return { kind: 'script' };
      throw new EngineError('invalid', 'missing_field', 'A python step needs code', [
        { code: 'missing_field', message: 'code is missing or empty', pointer: '/code' },
      ]);
    },

    render(config, inputs, scope) {
      if (config.kind === 'script')
        throw new StepFailure('unsupported_script', 'Script sources are not available for python steps yet', { retryable: false });
      const { code } = config;
      const filled = code.hasPlaceholder ? fillPlaceholders(code.text, (path) => valueAt(scope, path)) : code.text;
      return {
        codeDigest: code.digest,
        code: filled === code.text ? null : filled,
        inputs,
        fallbacks: fallbacksOf(code.parameters, inputs, scope),
        context: code.usesContext ? contextOf(code.text, inputs, scope, 'python_error') : null,
      };
    },

    async execute({ code: filled, codeDigest, ...call }, { tenantId, executionId, claimNo, signal }) {
      const code = filled ?? registry.find(codeDigest)?.text;
      if (code === undefined) throw new Error(`no parsed playbook holds the python code ${codeDigest}`);
      const outcome = await sandbox.runPython({ ...call, code, tenantId, executionId, claimNo, signal }).catch(notRun('python_error'));
      return resultOf(outcome);
    },
  });
};

const factory: StepFactory = ({ sandbox }) => pythonStep(sandbox);
export default factory;
