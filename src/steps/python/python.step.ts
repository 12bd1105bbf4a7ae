import { allFallbacks, contextOf, fallbacksOf, scopeFor, valueAt } from '../../engine/code/code-context.js';
import { notRun, resultOf } from '../../engine/code/code-outcome.js';
import { CodeRegistry } from '../../engine/code/code-registry.js';
import { compileScript, scriptNote, scriptSourceOf } from '../../engine/code/script-source.js';
import { EngineError } from '../../engine/engine-error.js';
import { type Sandbox } from '../../engine/sandbox-port.js';
import { type Scripts, type ScriptSource } from '../../engine/script-port.js';
import { defineStep, type SaveStorage } from '../../engine/step-executor.js';
import { type StepFactory } from '../../engine/step-services.js';
import { type Rendering } from '../../engine/template/rendering.js';
import { type Scope } from '../../engine/template/scope.js';
import { type ValueTemplate } from '../../engine/template/template.js';
import { isObject, type Json, type JsonObject, own } from '../../engine/values.js';
import { fillPlaceholders } from './placeholders.js';
import { PythonCode } from './python-code.js';

type PythonConfig = { readonly kind: 'code'; readonly code: PythonCode } | { readonly kind: 'script'; readonly script: ValueTemplate };

/** What is recorded: `code` only where placeholders changed it, else its digest finds the registered text; or where the script lies. */
export interface PythonRequest extends JsonObject {
  codeDigest: string;
  code: string | null;
  script: ScriptSource | null;
  inputs: JsonObject;
  fallbacks: JsonObject;
  context: JsonObject | null;
}

/** Runs main() of the playbook's Python code in the sandbox; an exception, or a value {status: error, error: text}, fails the step. */
const pythonStep = (sandbox: Sandbox, scripts: Scripts) => {
  const registry = new CodeRegistry<PythonCode>();

  const textOf = async ({ code, codeDigest, script }: PythonRequest, signal: AbortSignal): Promise<{ text: string; note: string }> => {
    if (isObject(script)) {
      const loaded = await scripts.load(script, signal);
      return { text: loaded.text, note: scriptNote(script, loaded) };
    }
    const text = code ?? registry.find(codeDigest)?.text;
    if (text === undefined) throw new Error(`no parsed playbook holds the python code ${codeDigest}`);
    return { text, note: '' };
  };

  /** `code` of a save: main(data), for the author's own storage (playbook language §8). */
  const save: SaveStorage<PythonCode, PythonRequest> = {
    parse({ fields }) {
      const { code } = fields;
      if (typeof code === 'string' && code.trim() !== '') return registry.add(new PythonCode(code));
      throw new EngineError('invalid', 'missing_field', 'A save to python needs code', [
        { code: 'missing_field', message: 'code is missing or empty', pointer: '/code' },
      ]);
    },
    render: (code, data, scope, rendering) =>
      requestOf(code, { ...(isObject(data) ? data : {}), data, input_data: data }, scope, rendering),
    byDefault: (value) => (isObject(value) && Object.hasOwn(value, 'status') && isObject(value['data']) ? value['data'] : value),
    outcome: () => ({}),
  };

  return defineStep<PythonConfig, PythonRequest>({
    kind: 'python',
    save,
    effect: !sandbox.networkDenied,
    defaultTimeoutSeconds: 60,

    parse({ fields }) {
      const { code } = fields;
      if (typeof code === 'string' && code.trim() !== '') return { kind: 'code', code: registry.add(new PythonCode(code)) };
      const script: Json = own(fields, 'script') ?? null;
      if (script !== null) return { kind: 'script', script: compileScript(script) };
      throw new EngineError('invalid', 'missing_field', 'A python step needs code', [
        { code: 'missing_field', message: 'code is missing or empty', pointer: '/code' },
      ]);
    },

    render(config, inputs, scope, rendering) {
      if (config.kind === 'script') {
        const script = scriptSourceOf(config.script.render(scope, rendering));
        rendering.refuseSecrets(script.uri, 'The uri of a script');
        // Nobody has read the script yet: it gets everything that it may ask for by name.
        return {
          codeDigest: '',
          code: null,
          script,
          inputs,
          fallbacks: allFallbacks(scopeFor(scope, rendering)),
          context: contextOf('', inputs, scopeFor(scope, rendering), 'python_error'),
        };
      }
      return requestOf(config.code, inputs, scope, rendering);
    },

    async execute(request, { tenantId, executionId, claimNo, signal }) {
      const { text: code, note } = await textOf(request, signal);
      const { inputs, fallbacks, context } = request;
      const call = { tenantId, executionId, claimNo, code, inputs, fallbacks, context, signal };
      return resultOf(await sandbox.runPython(call).catch(notRun('python_error')), note);
    },
  });
};

const factory: StepFactory = ({ sandbox, scripts }) => pythonStep(sandbox, scripts);
export default factory;

function requestOf(code: PythonCode, inputs: JsonObject, asked: Scope, rendering: Rendering): PythonRequest {
  const scope = scopeFor(asked, rendering);
  const filled = code.hasPlaceholder ? fillPlaceholders(code.text, (path) => valueAt(scope, path)) : code.text;
  // In code a secret would be source text.
  if (filled !== code.text) rendering.refuseSecrets(filled, 'A placeholder in Python code');
  return {
    codeDigest: code.digest,
    code: filled === code.text ? null : filled,
    script: null,
    inputs,
    fallbacks: code.hidesMain ? allFallbacks(scope) : fallbacksOf(code.parameters, inputs, scope),
    context: code.usesContext ? contextOf(code.text, inputs, scope, 'python_error') : null,
  };
}
