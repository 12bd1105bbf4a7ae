import { EngineError, type Issue } from '../engine/engine-error.js';
import { executionTypeOf } from '../engine/playbook/execution-types.js';
import { type CompiledPlaybook } from '../engine/playbook/compiled.js';
import { type JsonObject } from '../engine/values.js';
import { type CatalogEntry } from '../storage/catalog-entry.js';
import { checkModelCall, checkTensors } from './model-start.js';
import { checkServes } from './served-names.js';
import { type StartRun } from './start-run.js';

/**
 * What an entry asks of whoever starts it: its execution type, the names it is called by, and that its parameters fit its schema.
 * @throws EngineError `execution_type_mismatch`, `unknown_tool`, `unknown_model`, `invalid_parameters`, `invalid_inference_config`, `invalid_tensor`, `invalid_request`
 */
export function checkStart(
  start: Pick<StartRun, 'executionType' | 'tool' | 'parameters' | 'parametersAt' | 'modelAt'>,
  entry: CatalogEntry,
  compiled: CompiledPlaybook,
): void {
  if (start.executionType !== null) checkType(start.executionType, entry);
  if (start.tool) checkTool(start.tool, entry, compiled);
  checkParameters(start.parameters, entry, compiled, start);
}

/** @throws EngineError `execution_type_mismatch` */
export function checkType(asked: NonNullable<StartRun['executionType']>, entry: Pick<CatalogEntry, 'kind' | 'path' | 'version'>): void {
  const type = executionTypeOf(entry.kind);
  if (asked === type) return;
  const message = `${entry.path} ${entry.version} is a ${entry.kind}: its executions are of type ${type}, not ${asked}.`;
  throw new EngineError('invalid', 'execution_type_mismatch', message, [
    { code: 'execution_type_mismatch', pointer: '/execution_type', message },
  ]);
}

/** Whether an entry can be asked this. @throws EngineError those of a start, but for its type and the name of a tool */
export function checkParameters(
  parameters: JsonObject,
  entry: Pick<CatalogEntry, 'kind' | 'name' | 'path' | 'version'>,
  compiled: CompiledPlaybook,
  { parametersAt = '/parameters', modelAt }: Pick<StartRun, 'parametersAt' | 'modelAt'> = {},
): void {
  if (entry.kind !== 'Model') return checkSchema(parameters, compiled, parametersAt);
  const { inputs, inputsAt } = checkModelCall(parameters, entry, compiled.playbook.contract, { parametersAt, modelAt });
  checkSchema(inputs, compiled, inputsAt);
  checkTensors(inputs, compiled.playbook.contract, inputsAt);
}

/** Costs nothing where the entry declares no schema. */
function checkSchema(parameters: JsonObject, { inputSchema }: CompiledPlaybook, pointer: string): void {
  if (inputSchema === null) return;
  const found = inputSchema.issuesOf(parameters);
  if (found.length === 0) return;
  const issues = found.map((issue): Issue => ({ ...issue, pointer: `${pointer}${issue.pointer ?? ''}` }));
  const first = issues[0]!;
  const more = issues.length > 1 ? ` (and ${issues.length - 1} more)` : '';
  throw new EngineError(
    'invalid',
    'invalid_parameters',
    `The parameters do not fit the input schema: ${first.pointer} ${first.message}${more}.`,
    issues,
  );
}

function checkTool({ name, pointer }: NonNullable<StartRun['tool']>, entry: CatalogEntry, { playbook }: CompiledPlaybook): void {
  checkServes('tool', name, pointer, entry, playbook.contract);
}
