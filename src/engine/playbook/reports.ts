import { compileValue, type ValueTemplate } from '../template/template.js';
import { type Json, type JsonObject } from '../values.js';

/** Levels of a `log` step: the severities of RFC 5424 by their names, as MCP has them; from the least to the worst. */
export const LOG_LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/** Error codes that authors choose: what a URL, a log line and a program can hold without escaping. */
export const FAILURE_CODE = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

/** What a step says while the execution goes on: how far it is, or a line for its log. Fields that are null were not given. */
export type CompiledReport =
  | {
      readonly kind: 'progress';
      readonly progress: ValueTemplate;
      readonly total: ValueTemplate | null;
      readonly message: ValueTemplate | null;
    }
  | {
      readonly kind: 'log';
      readonly level: ValueTemplate;
      readonly message: ValueTemplate | null;
      readonly data: ValueTemplate | null;
      readonly logger: ValueTemplate | null;
    };

/** How a `fail` step fails. */
export interface CompiledFail {
  readonly message: ValueTemplate;
  readonly code: ValueTemplate | null;
  readonly details: ValueTemplate | null;
}

export function compileReport(kind: 'progress' | 'log', fields: JsonObject): CompiledReport {
  const template = templateIn(fields);
  const message = template('message');
  if (kind === 'progress') return { kind, progress: compileValue(fields['progress'] ?? null), total: template('total'), message };
  return { kind, level: compileValue(fields['level'] ?? 'info'), message, data: template('data'), logger: template('logger') };
}

export function compileFail(fields: JsonObject): CompiledFail {
  const template = templateIn(fields);
  return { message: compileValue(fields['message'] ?? ''), code: template('code'), details: template('details') };
}

function templateIn(fields: Readonly<Record<string, Json>>): (name: string) => ValueTemplate | null {
  return (name) => (fields[name] === undefined ? null : compileValue(fields[name]));
}
