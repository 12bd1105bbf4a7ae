import { createHash } from 'node:crypto';
import { contextOf, scopeFor } from '../../engine/code/code-context.js';
import { notRun, resultOf } from '../../engine/code/code-outcome.js';
import { CodeRegistry } from '../../engine/code/code-registry.js';
import { compileScript, scriptNote, scriptSourceOf } from '../../engine/code/script-source.js';
import { EngineError } from '../../engine/engine-error.js';
import { type Sandbox } from '../../engine/sandbox-port.js';
import { type Scripts, type ScriptSource } from '../../engine/script-port.js';
import { defineStep } from '../../engine/step-executor.js';
import { type StepFactory } from '../../engine/step-services.js';
import { type ValueTemplate } from '../../engine/template/template.js';
import { isObject, type Json, type JsonObject, own } from '../../engine/values.js';

/** The code of one action as registered, and what was read from it once. */
class JavaScriptCode {
  readonly digest: string;
  /** The code speaks of `context`: it is built for the code, and only then. */
  readonly usesContext: boolean;

  constructor(readonly text: string) {
    this.digest = createHash('sha256').update(text).digest('hex');
    this.usesContext = /\bcontext\b/.test(text);
  }
}

type JavaScriptConfig =
  { readonly kind: 'code'; readonly code: JavaScriptCode } | { readonly kind: 'script'; readonly script: ValueTemplate };

/** What is recorded: the digest finds the registered text, or `script` says where the code lies. */
export interface JavaScriptRequest extends JsonObject {
  codeDigest: string;
  script: ScriptSource | null;
  inputs: JsonObject;
  context: JsonObject | null;
}

/** Runs main(inputs, context) of the playbook's JavaScript in QuickJS: no network, no files, no timers, no modules, so it is pure. */
const javascriptStep = (sandbox: Sandbox, scripts: Scripts) => {
  const registry = new CodeRegistry<JavaScriptCode>();

  const textOf = async ({ codeDigest, script }: JavaScriptRequest, signal: AbortSignal): Promise<{ text: string; note: string }> => {
    if (isObject(script)) {
      const loaded = await scripts.load(script, signal);
      return { text: loaded.text, note: scriptNote(script, loaded) };
    }
    const text = registry.find(codeDigest)?.text;
    if (text === undefined) throw new Error(`no parsed playbook holds the JavaScript code ${codeDigest}`);
    return { text, note: '' };
  };

  return defineStep<JavaScriptConfig, JavaScriptRequest>({
    kind: 'javascript',
    // Loading a script reads and changes nothing: it may happen twice.
    effect: false,
    defaultTimeoutSeconds: 60,

    parse({ fields }) {
      const { code } = fields;
      if (typeof code === 'string' && code.trim() !== '') return { kind: 'code', code: registry.add(new JavaScriptCode(code)) };
      const script: Json = own(fields, 'script') ?? null;
      if (script !== null) return { kind: 'script', script: compileScript(script) };
      throw new EngineError('invalid', 'missing_field', 'A javascript step needs code', [
        { code: 'missing_field', message: 'code is missing or empty', pointer: '/code' },
      ]);
    },

    render(config, inputs, scope, rendering) {
      const [code, script] = config.kind === 'code' ? [config.code, null] : [null, scriptSourceOf(config.script.render(scope, rendering))];
      if (script !== null) rendering.refuseSecrets(script.uri, 'The uri of a script');
      const usesContext = code?.usesContext ?? true;
      return {
        codeDigest: code?.digest ?? '',
        script,
        inputs,
        context: usesContext ? contextOf(code?.text ?? '', inputs, scopeFor(scope, rendering), 'javascript_error') : null,
      };
    },

    async execute(request, { tenantId, executionId, claimNo, signal }) {
      const { text: code, note } = await textOf(request, signal);
      const { inputs, context } = request;
      const call = { tenantId, executionId, claimNo, code, inputs, context, signal };
      return resultOf(await sandbox.runJavaScript(call).catch(notRun('javascript_error')), note);
    },
  });
};

const factory: StepFactory = ({ sandbox, scripts }) => javascriptStep(sandbox, scripts);
export default factory;
