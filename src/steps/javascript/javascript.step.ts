import { createHash } from 'node:crypto';
import { contextOf } from '../../engine/code/code-context.js';
import { notRun, resultOf } from '../../engine/code/code-outcome.js';
import { CodeRegistry } from '../../engine/code/code-registry.js';
import { EngineError } from '../../engine/engine-error.js';
import { type Sandbox } from '../../engine/sandbox-port.js';
import { defineStep } from '../../engine/step-executor.js';
import { type StepFactory } from '../../engine/step-services.js';
import { type JsonObject } from '../../engine/values.js';

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

/** What is recorded: the digest finds the registered text. */
export interface JavaScriptRequest extends JsonObject {
  codeDigest: string;
  inputs: JsonObject;
  context: JsonObject | null;
}

/** Runs main(inputs, context) of the playbook's JavaScript in QuickJS: no network, no files, no timers, no modules, so it is pure. */
const javascriptStep = (sandbox: Sandbox) => {
  const registry = new CodeRegistry<JavaScriptCode>();
  return defineStep<JavaScriptCode, JavaScriptRequest>({
    kind: 'javascript',
    effect: false,
    defaultTimeoutSeconds: 60,

    parse({ fields }) {
      const { code } = fields;
      if (typeof code === 'string' && code.trim() !== '') return registry.add(new JavaScriptCode(code));
      throw new EngineError('invalid', 'missing_field', 'A javascript step needs code', [
        { code: 'missing_field', message: 'code is missing or empty', pointer: '/code' },
      ]);
    },

    render(code, inputs, scope) {
      return {
        codeDigest: code.digest,
        inputs,
        context: code.usesContext ? contextOf(code.text, inputs, scope, 'javascript_error') : null,
      };
    },

    async execute({ codeDigest, inputs, context }, { tenantId, executionId, claimNo, signal }) {
      const code = registry.find(codeDigest)?.text;
      if (code === undefined) throw new Error(`no parsed playbook holds the JavaScript code ${codeDigest}`);
      const call = { tenantId, executionId, claimNo, code, inputs, context, signal };
      return resultOf(await sandbox.runJavaScript(call).catch(notRun('javascript_error')));
    },
  });
};

const factory: StepFactory = ({ sandbox }) => javascriptStep(sandbox);
export default factory;
