import { authorCode } from '../error-codes.js';
import { type CompiledFail, type CompiledReport, FAILURE_CODE, LOG_LEVELS } from '../playbook/reports.js';
import { StepFailure } from '../step-executor.js';
import { type Rendering } from '../template/rendering.js';
import { type Scope } from '../template/scope.js';
import { type ValueTemplate } from '../template/template.js';
import { type Json } from '../values.js';
import { type Report } from './events.js';

/** Characters of a text, a name, or of JSON; the rest is cut off. */
const MOST = { message: 8_192, logger: 256, data: 64 * 1024, details: 16 * 1024 } as const;

/**
 * What a `progress` or `log` step says, as it is recorded.
 * @throws StepFailure `invalid_value` for a level that is none and for numbers that are no progress
 */
export function reportOf(report: CompiledReport, scope: Scope, rendering: Rendering): Report {
  const text = (template: ValueTemplate | null, most: number): string | null => textOf(template?.render(scope, rendering) ?? null, most);
  const message = text(report.message, MOST.message);
  if (report.kind === 'progress') {
    const progress = numberOf(report.progress.render(scope, rendering));
    const given = report.total?.render(scope, rendering) ?? null;
    const total = given === null || given === '' ? null : numberOf(given);
    if (progress === undefined || progress < 0) throw refusal('progress must be a number from 0.');
    if (total === undefined || (total !== null && total <= 0)) throw refusal('total must be a number above 0.');
    if (total !== null && total < progress) throw refusal('progress cannot be above total.');
    return { type: 'step_progress', progress, total, message };
  }
  const word = report.level.render(scope, rendering);
  const level = LOG_LEVELS.find((known) => known === String(word).toLowerCase());
  if (!level) throw refusal(`level must be one of ${LOG_LEVELS.join(', ')}.`);
  const logger = text(report.logger, MOST.logger);
  const data = report.data ? shortened(report.data.render(scope, rendering), rendering) : undefined;
  return { type: 'step_log', level, logger, message, ...(data === undefined ? {} : { data }) };
}

/** The failure that a `fail` step asks for. It is never tried again: the same inputs would fail again. */
export function failureOf(fail: CompiledFail, step: string, scope: Scope, rendering: Rendering): StepFailure {
  const message = textOf(fail.message.render(scope, rendering), MOST.message);
  const code = fail.code?.render(scope, rendering) ?? null;
  if (code !== null && code !== '' && !(typeof code === 'string' && FAILURE_CODE.test(code)))
    throw refusal(`code of the step ${step} must be a letter, then up to 63 letters, digits, "_", "." and "-".`);
  let details = fail.details?.render(scope, rendering) ?? null;
  if (JSON.stringify(details).length > MOST.details) {
    rendering.warn(`details are longer than ${MOST.details} characters and were left out`);
    details = null;
  }
  return new StepFailure(code === null || code === '' ? 'step_error' : authorCode(code), message ?? `The step ${step} failed.`, {
    retryable: false,
    cause: details,
  });
}

/** A log never fails its execution for being long: of data that is, the beginning is kept as text. */
function shortened(data: Json, rendering: Rendering): Json {
  const text = JSON.stringify(data);
  if (text.length <= MOST.data) return data;
  rendering.warn(`data is longer than ${MOST.data} characters and was cut`);
  return cut(text, MOST.data);
}

function textOf(value: Json, most: number): string | null {
  if (value === null || value === '') return null;
  return cut(typeof value === 'string' ? value : JSON.stringify(value), most);
}

/** Never in the middle of a character. */
const cut = (text: string, most: number): string =>
  text.length <= most ? text : `${text.slice(0, most).replace(/[\uD800-\uDBFF]$/, '')}…`;

/** Numbers, and texts that read as one; undefined for anything else. */
function numberOf(value: Json): number | undefined {
  const number = typeof value === 'number' ? value : typeof value === 'string' && value.trim() !== '' ? Number(value) : Number.NaN;
  return Number.isFinite(number) ? number : undefined;
}

function refusal(message: string): StepFailure {
  return new StepFailure('invalid_value', message, { retryable: false });
}
