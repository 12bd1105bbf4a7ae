import { EngineError, type Issue } from '../engine/engine-error.js';
import { type ParseOptions } from '../engine/playbook/parse-playbook.js';
import { type SourceReading } from './source.js';

/** What a reading thread is asked: to read a text, then, as often as needed, to locate issues in that text. */
export type ThreadQuestion = { readonly read: string; readonly options: ParseOptions } | { readonly locate: readonly Issue[] };

/** Answers travel as one text: that costs the receiver far less than a clone of the object would. */
export function packReading(reading: SourceReading): string {
  const { fatal } = reading;
  return JSON.stringify({
    ...reading,
    fatal: fatal && { kind: fatal.kind, code: fatal.code, message: fatal.message, issues: fatal.issues },
  });
}

export function unpackReading(text: string): SourceReading {
  const reading = JSON.parse(text) as Omit<SourceReading, 'fatal'> & {
    readonly fatal: Pick<EngineError, 'kind' | 'code' | 'message' | 'issues'> | null;
  };
  const { fatal } = reading;
  return { ...reading, fatal: fatal && new EngineError(fatal.kind, fatal.code, fatal.message, fatal.issues) };
}
