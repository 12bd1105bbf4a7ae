import { EngineError, type Issue } from '../../engine/engine-error.js';
import { type McpTools } from '../../engine/mcp-port.js';
import { type Action } from '../../engine/playbook/playbook.js';
import { defineStep, StepFailure, type StepResult } from '../../engine/step-executor.js';
import { type StepFactory } from '../../engine/step-services.js';
import { type Rendering } from '../../engine/template/rendering.js';
import { type Scope } from '../../engine/template/scope.js';
import { compileValue, TemplateSyntaxError, type ValueTemplate } from '../../engine/template/template.js';
import { type Json, type JsonObject } from '../../engine/values.js';

interface McpConfig {
  readonly server: ValueTemplate;
  readonly tool: ValueTemplate;
  /** Digest of the definition that is meant; null: the one approved last. */
  readonly definition: string | null;
}

interface McpRequest extends JsonObject {
  server: string;
  tool: string;
  definition: string | null;
  arguments: JsonObject;
}

const DIGEST = /^[0-9a-f]{64}$/;

/** Calls a tool of an MCP server; the inputs of the step are the arguments. */
const mcpStep = (tools: McpTools) =>
  defineStep<McpConfig, McpRequest>({
    kind: 'mcp',
    effect: true,
    mayAsk: true,
    defaultTimeoutSeconds: 60,
    parse: parseMcpConfig,

    render({ server, tool, definition }, inputs, scope, rendering) {
      const name = (field: string, template: ValueTemplate): string => textOf(field, template, scope, rendering);
      return { server: name('server', server), tool: name('tool', tool), definition, arguments: inputs };
    },

    async execute({ server, tool, definition, arguments: args }, context): Promise<StepResult> {
      const { value, asks, progress } = await tools.call({ server, tool, definition, arguments: args, auth: context.auth, context });
      return { value, ...(asks === null ? {} : { asks }), ...(progress.length > 0 ? { logs: progress.join('\n') } : {}) };
    },
  });

const factory: StepFactory = ({ mcp }) => mcpStep(mcp);
export default factory;

function parseMcpConfig({ fields }: Action): McpConfig {
  const issues: Issue[] = [];
  const field = (name: string): ValueTemplate => {
    const value = (fields[name] ?? null) as Json;
    if (value === null || value === '')
      issues.push({ code: 'missing_field', message: `An mcp step needs "${name}".`, pointer: `/${name}` });
    else if (typeof value !== 'string') issues.push({ code: 'invalid_type', message: `${name} is a text.`, pointer: `/${name}` });
    try {
      return compileValue(value);
    } catch (error) {
      if (!(error instanceof TemplateSyntaxError)) throw error;
      issues.push({ code: 'template_syntax', message: error.message, pointer: `/${name}` });
      return compileValue(null);
    }
  };
  const config = { server: field('server'), tool: field('tool') };
  const definition = fields['definition'] ?? null;
  if (definition !== null && (typeof definition !== 'string' || !DIGEST.test(definition)))
    issues.push({ code: 'invalid_value', message: 'definition is a sha-256 digest in hexadecimal digits.', pointer: '/definition' });
  if (issues.length > 0) throw new EngineError('invalid', 'invalid_document', 'The mcp action is not valid', issues);
  return { ...config, definition: definition as string | null };
}

/** @throws StepFailure invalid_value */
function textOf(field: string, template: ValueTemplate, scope: Scope, rendering: Rendering): string {
  const rendered = template.render(scope, rendering);
  const text = typeof rendered === 'string' ? rendered.trim() : '';
  if (text !== '') return text;
  throw new StepFailure('invalid_value', `The ${field} of an mcp step is empty or not a text`, { retryable: false });
}
