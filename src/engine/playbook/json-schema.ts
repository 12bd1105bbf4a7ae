import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { RE2JS } from 're2js';
import { EngineError, type Issue } from '../engine-error.js';
import { isObject, type Json } from '../values.js';

/** More findings than this help nobody. */
const MAX_ISSUES = 20;
/** Compiling is not linear in what a schema says: what is longer is refused. */
const MAX_SCHEMA_CHARACTERS = 64 * 1024;

/** A JSON Schema (draft 2020-12) ready to check values. */
export interface JsonSchema {
  /** What is wrong with a value; empty where it fits. Pointers are relative to the value. */
  issuesOf(value: Json): readonly Issue[];
}

/**
 * Compiles a schema that an author wrote. Its patterns run on RE2, in linear time, and it cannot refer to anything outside of itself.
 * @throws EngineError `invalid_schema`
 */
export function compileJsonSchema(schema: Json): JsonSchema {
  if (!isObject(schema) && typeof schema !== 'boolean') throw invalid('it must be a mapping');
  if (JSON.stringify(schema).length > MAX_SCHEMA_CHARACTERS) throw invalid(`it is longer than ${MAX_SCHEMA_CHARACTERS} characters`);
  let check: ValidateFunction;
  try {
    check = ajv().compile(schema);
  } catch (error) {
    throw invalid((error as Error).message.slice(0, 500));
  }
  // An asynchronous schema would answer with a promise, which is always truthy.
  if ('$async' in check) throw invalid('$async is not supported');
  return {
    issuesOf: (value) => (check(value) ? [] : (check.errors ?? []).slice(0, MAX_ISSUES).map(issueOf)),
  };
}

function ajv(): Ajv2020 {
  // RE2 in the place of RegExp (S11); `code` is only asked for where schemas become source text.
  const compile = (pattern: string): { test(text: string): boolean; toString(): string } => {
    const compiled = RE2JS.compile(pattern);
    // Patterns are told apart by their texts: without toString all of them would be the first one.
    return { test: (text) => compiled.matcher(text).find(), toString: () => pattern };
  };
  const regExp = Object.assign(compile, { code: 'RE2JS' });
  return new Ajv2020({ strict: false, validateFormats: false, allErrors: false, addUsedSchema: false, code: { regExp } });
}

function issueOf({ instancePath, message = 'does not fit' }: ErrorObject): Issue {
  return { code: 'schema_violation', pointer: instancePath, message };
}

function invalid(why: string): EngineError {
  return new EngineError('invalid', 'invalid_schema', `The schema cannot be used: ${why}.`);
}
