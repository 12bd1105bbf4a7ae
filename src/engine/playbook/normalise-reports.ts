import { type JsonObject } from '../values.js';
import { type Findings } from './findings.js';
import { type Mapping } from './mapping.js';
import { isTemplate, textOf } from './normalise-values.js';
import { FAILURE_CODE } from './reports.js';

/** `progress`, `log` and `fail`: what is no template must be sound when the document is registered. */
export function checkReport(type: string, fields: JsonObject, mapping: Mapping, findings: Findings): void {
  const where = (name: string): string => mapping.peek(name)?.pointer ?? mapping.pointer;
  if (typeof fields['level'] === 'string' && !isTemplate(fields['level'])) fields['level'] = fields['level'].toLowerCase();
  if (type === 'fail') return checkCode(fields, where('code'), findings);
  if (type !== 'progress') return;
  const [progress, total] = [numberIn(fields, 'progress'), numberIn(fields, 'total')];
  if (Number.isNaN(progress) || (progress !== null && progress < 0))
    findings.error('invalid_value', where('progress'), 'progress must be a number from 0, or a template.');
  else if (Number.isNaN(total) || (total !== null && total <= 0))
    findings.error('invalid_value', where('total'), 'total must be a number above 0, or a template.');
  else if (progress !== null && total !== null && total < progress)
    findings.error('invalid_value', where('total'), `total (${total}) cannot be below progress (${progress}).`);
}

function checkCode(fields: JsonObject, pointer: string, findings: Findings): void {
  const { code } = fields;
  if (code !== undefined && !isTemplate(code) && !FAILURE_CODE.test(String(code)))
    findings.error('invalid_value', pointer, 'code must be a letter, then up to 63 letters, digits, "_", "." and "-".');
}

/** null where it is left out or known only when it is rendered; NaN for what is no finite number. */
function numberIn(fields: JsonObject, name: string): number | null {
  const value = fields[name];
  if (value === undefined || isTemplate(value)) return null;
  const text = typeof value === 'boolean' ? null : textOf(value);
  const number = text === null || text === '' ? Number.NaN : Number(text);
  return Number.isFinite(number) ? number : Number.NaN;
}
