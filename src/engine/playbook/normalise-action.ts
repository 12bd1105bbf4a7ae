import { isObject, type Json, type JsonObject } from '../values.js';
import { ACTION_RULES, ROUTER_WORDS, TYPE_WORDS } from './action-fields.js';
import { type Findings } from './findings.js';
import { type Field, Mapping } from './mapping.js';
import { assertOf, authOf, decodeBase64, timeoutOf } from './normalise-common.js';
import { httpInputs } from './normalise-http.js';
import { iteratorFields, MAX_ITERATOR_DEPTH } from './normalise-loop.js';
import { normaliseRetry } from './normalise-retry.js';
import { normaliseSave, normaliseSaves, SAVE_KEYS } from './normalise-save.js';
import { transferSides } from './normalise-transfer.js';
import { fits, isTemplate, mergeInputs, nearest, textOf } from './normalise-values.js';
import { type Action } from './playbook.js';
import { at } from './source-positions.js';
import { catalogPath } from './playbook-path.js';
import { checkReport } from './normalise-reports.js';
import { checkInput, checkWait, checkWaitFor } from './normalise-wait.js';
import { checkApproval } from './approval-step.js';

/** What is being read: a step, a task of the workbook, or the task inside an iterator. */
export type ActionPlace = 'step' | 'task' | 'nested';

export interface FoundAction {
  /** The word the document uses, lower case; null = none. */
  readonly word: string | null;
  /** null = router. */
  readonly action: Action | null;
}

const INPUTS = ['with', 'args', 'params', 'input', 'data'] as const;
const HTTP_INPUTS = ['with', 'args', 'input', 'data'] as const;
const BASE64: Readonly<Record<string, readonly string[]>> = { code: ['code_b64'], command: ['command_b64', 'commands_b64'] };

/** Reads an action in any spelling. What the mapping has besides stays unread, for the caller to take or to warn about. */
export function normaliseAction(mapping: Mapping, place: ActionPlace, findings: Findings, depth = 0): FoundAction {
  const selector = selectorOf(mapping, findings);
  const loop = given(mapping, 'loop');
  refuseOldConstructs(mapping, selector, loop, findings);
  const word = selector ? wordOf(selector, findings) : null;
  if (word === null || ROUTER_WORDS.includes(word)) {
    if (word !== null && place !== 'step')
      findings.error('invalid_value', selector?.pointer ?? mapping.pointer, `A task cannot be of type ${word}; it has to do something.`);
    return { word, action: null };
  }
  if (!TYPE_WORDS.includes(word)) {
    const hint = nearest(word, TYPE_WORDS);
    findings.error(
      'unknown_type',
      selector?.pointer ?? mapping.pointer,
      `There is no step type "${word}"${hint ? `; did you mean "${hint}"?` : '.'}`,
    );
    mapping.ignore(...mapping.remaining().map(({ key }) => key));
    return { word, action: null };
  }
  if (word === 'workbook' && place === 'task')
    findings.error('invalid_value', selector?.pointer ?? mapping.pointer, 'A workbook task cannot be of type workbook.');
  if (word === 'approval' && (place !== 'step' || loop))
    findings.error('unsupported_construct', selector?.pointer ?? mapping.pointer, 'An approval is a step of its own, no task.');
  const action =
    loop && isObject(loop.value) ? looped(mapping, word, loop.value, loop.pointer, findings, depth) : plain(mapping, word, findings, depth);
  return { word, action };
}

/** `call: {type, name, with, …}` laid under the step's own keys, inputs merged: to be asked for before anything is read. */
export function withCall(mapping: Mapping, findings: Findings): Mapping {
  const call = mapping.take('call');
  if (!call) return mapping;
  if (isObject(call.value)) return mapping.over(Mapping.of(call.value, call.pointer), INPUTS);
  findings.error('invalid_type', call.pointer, 'call must be a mapping with "type".');
  return mapping;
}

function selectorOf(mapping: Mapping, findings: Findings): Field | null {
  const selector = mapping.take('type') ?? mapping.peek('tool', 'action');
  if (selector && selector.key !== 'type') mapping.take(selector.key);
  if (selector && isObject(selector.value)) {
    findings.error(
      'unsupported_construct',
      selector.pointer,
      `"${selector.key}" as a mapping belongs to noetl.io/v2; write the type as a word.`,
    );
    return null;
  }
  if (selector) return selector.value === null ? null : selector;
  // Without a type, naming a workbook task means running it.
  const task = mapping.peek('task', 'workbook');
  return task && typeof task.value === 'string' ? { ...task, value: 'workbook' } : null;
}

/** A field that is more than its name; one left empty counts as known. */
function given(mapping: Mapping, key: string): Field | null {
  const field = mapping.peek(key);
  if (field?.value !== null) return field;
  mapping.ignore(key);
  return null;
}

function wordOf(selector: Field, findings: Findings): string {
  const word = textOf(selector.value);
  if (word === null) findings.error('invalid_type', selector.pointer, `"${selector.key}" must be a word.`);
  return (word ?? '').toLowerCase();
}

function refuseOldConstructs(mapping: Mapping, selector: Field | null, loop: Field | null, findings: Findings): void {
  const end = given(mapping, 'end_loop');
  mapping.ignore('end_loop');
  if (end)
    findings.error('unsupported_construct', end.pointer, 'end_loop is not supported; use an iterator: its value is the list of results.');
  const run = given(mapping, 'run');
  if (run && !selector)
    findings.error('unsupported_construct', mapping.take('run')?.pointer ?? run.pointer, 'run is not supported; give the task a type.');
  if (loop && !selector)
    findings.error(
      'unsupported_construct',
      mapping.take('loop')?.pointer ?? loop.pointer,
      'loop needs an action on the same step; use `type: iterator` with a task, or add the type.',
    );
}

/** A `loop:` mapping on a step makes it an iterator whose one task is the step's own action. */
function looped(mapping: Mapping, word: string, loop: JsonObject, pointer: string, findings: Findings, depth: number): Action {
  mapping.take('loop');
  if (depth >= MAX_ITERATOR_DEPTH) findings.error('depth_exceeded', pointer, `Iterators may stand ${MAX_ITERATOR_DEPTH} deep.`);
  const control = Mapping.of(loop, pointer);
  const fields = iteratorFields(control, 'loop', findings);
  warnUnknown(control, 'loop', findings);
  const task = plain(mapping, word, findings, depth + 1);
  return { ...bare('iterator'), fields, tasks: [task] };
}

function plain(mapping: Mapping, word: string, findings: Findings, depth: number): Action {
  if (word === 'save') return saveAction(mapping, findings);
  if (word === 'iterator' || word === 'loop') return iteratorAction(mapping, word, findings, depth);
  const type = word === 'playbooks' && mapping.peek('path') ? 'playbook' : word;
  // In a workbook, `name` names the task; elsewhere it is a field only where the type has one, and a label otherwise.
  const own = fieldsOf(mapping, type, findings);
  mapping.ignore('name', 'task');
  const shared = common(mapping, findings);
  const data = type === 'http' ? httpInputs(mapping, HTTP_INPUTS, findings) : mergeInputs(mapping, inputNames(mapping, type), findings);
  const fields = { ...shared.fields, ...own, ...openFields(mapping, type) };
  if (type === 'transfer') return { ...shared, type, data, ...transferSides(fields, shared.auth, mapping.pointer, findings) };
  return { ...shared, type, data, fields };
}

/** Fields by the table: canonical names, checked where they are not templates, base64 decoded. */
function fieldsOf(mapping: Mapping, type: string, findings: Findings): JsonObject {
  const rule = ACTION_RULES[type];
  const fields: JsonObject = {};
  if (!rule) return fields;
  for (const [name, { kind, aliases = [], words }] of Object.entries(rule.fields)) {
    const candidates = [...aliases, name].filter((key) => fieldApplies(mapping, type, key));
    const encoded = BASE64[name] ? decodeBase64(mapping.take(...BASE64[name]), findings) : null;
    const field = preferred(mapping, name, candidates) ?? encoded;
    if (!field || field.value === null) continue;
    if (!fits(field.value, kind))
      findings.error('invalid_type', field.pointer, `"${field.key}" of a ${type} step must be ${KIND_WORDS[kind]}.`);
    if (words && !isTemplate(field.value) && !words.includes(String(field.value).toLowerCase()))
      findings.error('invalid_value', field.pointer, `"${field.key}" must be one of ${words.join(', ').toUpperCase()}.`);
    fields[name] = field.value;
  }
  adjust(type, fields, mapping, findings);
  for (const group of rule.required) {
    if (!group.some((name) => name in fields && fields[name] !== ''))
      findings.error('missing_field', mapping.pointer, `A ${type} step needs ${group.map((name) => `"${name}"`).join(' or ')}.`);
  }
  if (rule.unsupported) findings.warn('unsupported_type', mapping.pointer, `Steps of type ${type} are registered but cannot run here.`);
  return fields;
}

const KIND_WORDS = {
  text: 'text',
  mapping: 'a mapping',
  list: 'a list',
  bool: 'true or false',
  count: 'a whole number',
  any: 'a value',
} as const;

/** The canonical name wins, except where `name` only labels the step and an alias says what is meant. */
function preferred(mapping: Mapping, name: string, candidates: readonly string[]): Field | null {
  const order = name === 'name' ? candidates : [name, ...candidates];
  return mapping.take(...order.filter((key) => candidates.includes(key)));
}

/** `script` is code given elsewhere as a mapping and SQL text as a string; `params` as a list are SQL binds. */
function fieldApplies(mapping: Mapping, type: string, key: string): boolean {
  const field = mapping.peek(key);
  if (key === 'script' && (type === 'python' || type === 'javascript')) return field === null || isObject(field.value);
  if (key === 'script') return field === null || !isObject(field.value);
  if (key === 'task') return field === null || typeof field.value === 'string';
  return true;
}

function adjust(type: string, fields: JsonObject, mapping: Mapping, findings: Findings): void {
  const script = mapping.peek('script');
  if ((type === 'python' || type === 'javascript') && !('code' in fields) && typeof script?.value === 'string')
    fields['code'] = mapping.take('script')?.value ?? null;
  const params = mapping.peek('params');
  if ((type === 'postgres' || type === 'duckdb') && !('parameters' in fields) && Array.isArray(params?.value))
    fields['parameters'] = mapping.take('params')?.value ?? null;
  if (type === 'http' && typeof fields['method'] === 'string' && !isTemplate(fields['method']))
    fields['method'] = fields['method'].toUpperCase();
  if (type === 'secrets' && fields['provider'] === 'google') fields['provider'] = 'gcp';
  if (type === 'progress' || type === 'log' || type === 'fail') checkReport(type, fields, mapping, findings);
  if (type === 'wait') checkWait(fields, mapping, findings);
  if (type === 'wait_for') checkWaitFor(fields, mapping, findings);
  if (type === 'input') checkInput(fields, mapping, findings);
  if (type === 'approval') checkApproval(fields, mapping, findings);
  const path = mapping.peek('path', 'catalog_path');
  if (type === 'playbook' && 'path' in fields && 'content' in fields)
    findings.warn('ambiguous_field', path?.pointer ?? mapping.pointer, 'A call has both "path" and "content"; the path counts.');
  if (PATH_TYPES.includes(type) && typeof fields['path'] === 'string' && !isTemplate(fields['path']))
    fields['path'] = catalogPath(fields['path'], path?.pointer ?? mapping.pointer, findings);
}

/** Steps that call the entry of a path. */
const PATH_TYPES: readonly string[] = ['playbook', 'workflow', 'tool', 'model'];

/** A list is no input: the bind values of SQL and the collection of an iterator were read as fields; `data` of a log or an approval is what it says. */
function inputNames(mapping: Mapping, type: string): readonly string[] {
  if (type === 'log' || type === 'approval') return INPUTS.filter((name) => name !== 'data');
  const asField = type === 'iterator' ? 'data' : type === 'postgres' || type === 'duckdb' ? 'params' : null;
  return INPUTS.filter((name) => name !== asField || !Array.isArray(mapping.peek(name)?.value));
}

/** Types whose fields belong to a plug-in keep what is left. */
function openFields(mapping: Mapping, type: string): JsonObject {
  if (!ACTION_RULES[type]?.open) return {};
  const rest = mapping.remaining().filter(({ key }) => !STEP_KEYS.includes(key));
  mapping.ignore(...rest.map(({ key }) => key));
  return Object.fromEntries(rest.map(({ key, value }) => [key, value]));
}

/** Keys that belong to the step around an action. */
export const STEP_KEYS: readonly string[] = [
  'step',
  'desc',
  'description',
  'next',
  'pass',
  'when',
  'vars',
  'result',
  'as',
  'on_error',
  'join',
];

/** `type: save`: the save itself is the action, so `fields` is empty and `save` holds what is written. */
function saveAction(mapping: Mapping, findings: Findings): Action {
  const below = mapping.take('save', 'sink');
  const own = Object.fromEntries(
    SAVE_KEYS.map((key) => mapping.peek(key))
      .filter((field): field is Field => field !== null)
      .map(({ key, value }) => [key, value]),
  );
  mapping.ignore(...SAVE_KEYS);
  const { save: _, ...rest } = common(mapping, findings);
  const ownMapping = (): Mapping => Mapping.of({ ...own, ...(rest.auth === null ? {} : { auth: rest.auth }) }, mapping.pointer);
  const save =
    below && Array.isArray(below.value)
      ? normaliseSaves(below, findings)
      : [
          normaliseSave(
            below && isObject(below.value) ? Mapping.of(below.value, below.pointer).over(ownMapping()) : ownMapping(),
            findings,
          ),
        ];
  mapping.ignore('tool', 'name');
  return { ...rest, type: 'save', save };
}

function iteratorAction(mapping: Mapping, word: string, findings: Findings, depth: number): Action {
  if (depth >= MAX_ITERATOR_DEPTH) findings.error('depth_exceeded', mapping.pointer, `Iterators may stand ${MAX_ITERATOR_DEPTH} deep.`);
  const kind = word === 'loop' ? mapping.peek('mode')?.value : null;
  const fields = iteratorFields(mapping, 'iterator', findings);
  mapping.ignore('name');
  if (kind === 'workbook' || kind === 'playbooks') {
    // A save beside the loop runs once, after all items; the rest belongs to what is repeated.
    const save = normaliseSaves(mapping.take('save', 'sink'), findings);
    const repeated = plain(mapping, kind, findings, depth + 1);
    return { ...bare('iterator'), fields, save, tasks: [{ ...repeated, save: [] }] };
  }
  const task = mapping.take('task', 'tasks');
  const list = Array.isArray(task?.value)
    ? task.value.map((value, index) => ({ value, pointer: at(task.pointer, index) }))
    : task
      ? [task]
      : [];
  if (list.length === 0) findings.error('missing_field', mapping.pointer, 'An iterator needs "task": the action to run for every item.');
  const tasks = list.flatMap(({ value, pointer }) => nested(value, pointer, findings, depth + 1));
  return {
    ...common(mapping, findings),
    fields,
    type: 'iterator',
    data: mergeInputs(mapping, inputNames(mapping, 'iterator'), findings),
    tasks,
  };
}

function nested(value: Json, pointer: string, findings: Findings, depth: number): Action[] {
  if (!isObject(value)) {
    findings.error('invalid_type', pointer, 'The task of an iterator must be a mapping with a type, or a list of them.');
    return [];
  }
  const mapping = withCall(Mapping.of(value, pointer), findings);
  const { word, action } = normaliseAction(mapping, 'nested', findings, depth);
  if (word === null) findings.error('missing_field', pointer, 'The task of an iterator needs "type".');
  mapping.ignore('name', 'desc', 'description');
  warnUnknown(mapping, 'task', findings);
  return action ? [action] : [];
}

function common(mapping: Mapping, findings: Findings): Action {
  return {
    ...bare(''),
    save: normaliseSaves(mapping.take('save', 'sink'), findings),
    assert: assertOf(mapping.take('assert'), findings),
    auth: authOf(mapping, findings, 'auth', 'credential', 'credentials'),
    retry: normaliseRetry(mapping.take('retry'), mapping.take('retry_delay'), findings),
    timeout: timeoutOf(mapping.take('timeout'), findings),
    fields: useAuth(mapping),
  };
}

function useAuth(mapping: Mapping): JsonObject {
  const field = mapping.take('use_auth');
  return field ? { use_auth: field.value } : {};
}

function bare(type: string): Action {
  return { type, fields: {}, data: {}, save: [], assert: null, auth: null, retry: null, timeout: null, tasks: [] };
}

export function warnUnknown(mapping: Mapping, where: string, findings: Findings): void {
  for (const { key, pointer } of mapping.remaining()) {
    // Whoever relies on it must not be told by a warning alone.
    if (key === 'compensate') findings.error('invalid_compensate', pointer, 'compensate belongs to a step, not to a task.');
    else findings.warn('unknown_field', pointer, `unknown key "${key}" in ${where}; it has no effect`);
  }
}
