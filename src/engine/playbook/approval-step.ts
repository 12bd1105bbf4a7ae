import { durationMs } from '../run/durations.js';
import { EngineError } from '../engine-error.js';
import { compileValue, type ValueTemplate } from '../template/template.js';
import { isObject, type Json, type JsonObject } from '../values.js';
import { type Findings } from './findings.js';
import { compileJsonSchema } from './json-schema.js';
import { type Mapping } from './mapping.js';
import { isTemplate } from './normalise-values.js';
import { at } from './source-positions.js';

/** More approvers than this never have to agree. */
export const MOST_APPROVALS = 100;
/** What a scope may be called. */
export const SCOPE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.:/-]{0,127}$/;

/** What an `approval` step asks, and whom. */
export interface CompiledApproval {
  readonly kind: 'approval';
  readonly title: ValueTemplate;
  readonly message: ValueTemplate | null;
  readonly data: ValueTemplate | null;
  /** Fixed in the document. */
  readonly scopes: readonly string[];
  readonly subjects: ValueTemplate;
  readonly quorum: ValueTemplate;
  readonly expiresIn: ValueTemplate | null;
  /** JSON Schema of what approvers fill in, as it is in the document; null: anything. */
  readonly form: Json;
}

export function compileApproval(fields: JsonObject): CompiledApproval {
  const template = (name: string): ValueTemplate | null => (fields[name] === undefined ? null : compileValue(fields[name]));
  const approvers = isObject(fields['approvers'] ?? null) ? (fields['approvers'] as JsonObject) : {};
  return {
    kind: 'approval',
    title: compileValue(fields['title'] ?? ''),
    message: template('message'),
    data: template('data'),
    scopes: textsIn(approvers['scopes']),
    subjects: compileValue(approvers['subjects'] ?? []),
    quorum: compileValue(fields['quorum'] ?? 1),
    expiresIn: template('expires_in'),
    form: fields['form'] ?? null,
  };
}

/** `type: approval`: what is no template must be sound when the document is registered; its form is fixed there. */
export function checkApproval(fields: JsonObject, mapping: Mapping, findings: Findings): void {
  const where = (...names: string[]): string => mapping.peek(...names)?.pointer ?? mapping.pointer;
  const { approvers, quorum, form } = fields;
  const expiresIn = fields['expires_in'];
  if (expiresIn !== undefined && !isTemplate(expiresIn) && !(durationMs(expiresIn)! > 0))
    findings.error(
      'invalid_value',
      where('expires_in', 'timeout'),
      'expires_in must be a duration above zero ("2d", "PT12H") or a template.',
    );
  if (quorum !== undefined && !isTemplate(quorum) && quorumOf(quorum) === null)
    findings.error('invalid_value', where('quorum'), `quorum must be a whole number from 1 to ${MOST_APPROVALS}.`);
  if (approvers !== undefined) checkApprovers(approvers, quorum ?? 1, where('approvers'), findings);
  if (form === undefined) return;
  try {
    compileJsonSchema(form);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    findings.error('invalid_schema', where('form'), error.message);
  }
}

function checkApprovers(approvers: Json, quorum: Json, pointer: string, findings: Findings): void {
  if (!isObject(approvers))
    return findings.error('invalid_type', pointer, 'approvers must be a mapping with "scopes", "subjects" or both.');
  const unknown = Object.keys(approvers).find((key) => key !== 'scopes' && key !== 'subjects');
  if (unknown !== undefined)
    findings.error('invalid_value', at(pointer, unknown), `approvers have "scopes" and "subjects", no "${unknown}".`);
  const { scopes = [], subjects = [] } = approvers;
  if (!Array.isArray(scopes) || !scopes.every((scope) => typeof scope === 'string' && SCOPE_NAME.test(scope)))
    findings.error('invalid_value', at(pointer, 'scopes'), 'scopes must be a list of names of scopes, without templates.');
  if (isTemplate(subjects)) return;
  if (!Array.isArray(subjects) || !subjects.every((subject) => typeof subject === 'string' && subject.trim() !== ''))
    return findings.error('invalid_value', at(pointer, 'subjects'), 'subjects must be a list of texts, or a template that gives one.');
  if (!Array.isArray(scopes) || scopes.length > 0) return;
  if (subjects.length === 0) return findings.error('missing_field', pointer, 'approvers need a scope or a subject.');
  const needed = quorumOf(quorum) ?? 1;
  if (subjects.some(isTemplate) || new Set(subjects).size >= needed) return;
  findings.error('invalid_value', pointer, `${needed} have to approve, and there are fewer approvers.`);
}

/** Null for what is no number of approvals. */
export function quorumOf(value: Json): number | null {
  const number = typeof value === 'string' && /^\d+$/.test(value.trim()) ? Number(value) : value;
  return typeof number === 'number' && Number.isInteger(number) && number >= 1 && number <= MOST_APPROVALS ? number : null;
}

function textsIn(value: Json | undefined): string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string') : [];
}
