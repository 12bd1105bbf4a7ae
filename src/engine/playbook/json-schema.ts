import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { RE2JS } from 're2js';
import { canonicalJson } from '../canonical-json.js';
import { EngineError, type Issue } from '../engine-error.js';
import { isObject, type Json, type JsonObject } from '../values.js';
import { CHECK_BUDGET, spend, withinBudget } from './schema-budget.js';
import { markedSchema, type SchemaFault } from './schema-walk.js';
import { at } from './source-positions.js';

/** More findings than this help nobody. */
const MAX_ISSUES = 20;
/** Compiling is not linear in what a schema says: what is longer is refused. */
const MAX_SCHEMA_CHARACTERS = 64 * 1024;
const MAX_LISTED_CHARACTERS = 200;

/** A JSON Schema (draft 2020-12) ready to check values. */
export interface JsonSchema {
  /** What is wrong with a value; empty where it fits. Pointers are relative to the value. */
  issuesOf(value: Json): readonly Issue[];
}

/**
 * Compiles a schema that an author wrote. Its patterns run on RE2, in linear time, it cannot refer to anything outside of itself, and each check has
 * a budget of work. `format` is an annotation, as in the standard.
 * @throws EngineError `invalid_schema`, whose issues have pointers into the schema
 */
export function compileJsonSchema(schema: Json): JsonSchema {
  if (typeof schema === 'boolean') return compileJsonSchema(schema ? {} : { not: {} });
  if (!isObject(schema)) throw invalid([{ pointer: '', message: 'must be a mapping' }]);
  if (JSON.stringify(schema).length > MAX_SCHEMA_CHARACTERS)
    throw invalid([{ pointer: '', message: `is longer than ${MAX_SCHEMA_CHARACTERS} characters` }]);
  const { marked, faults } = markedSchema(schema, MARK);
  if (faults.length > 0) throw invalid(faults);
  // Whatever dialect it names, it is read in this one.
  const { $schema: _, ...own } = schema;
  const wrong = metaFaults(own);
  if (wrong.length > 0) throw invalid(wrong);
  const { $schema: __, ...checked } = marked;
  const check = compile(checked, false);
  let explain: ValidateFunction | undefined;
  return {
    issuesOf: (value) => {
      const fits = withinBudget(CHECK_BUDGET, () => check(value));
      if (fits) return [];
      if (fits === null) return TOO_MUCH;
      // Finding all that is wrong is dearer, and only for values that do not fit.
      const all = (explain ??= compile(checked, true));
      const found = withinBudget(CHECK_BUDGET, () => (all(value) ? null : all.errors));
      const issues = distinct((found ?? check.errors ?? []).map(issueOf));
      all.errors = null; // they hold on to the value
      return issues;
    },
  };
}

const TOO_MUCH: readonly Issue[] = [{ code: 'schema_violation', pointer: '', message: 'takes more work to check than allowed' }];

/** Units of a pattern that is tried on an empty text, and of a value that is compared with others. */
const CALL_OF_PATTERN = 40;
const COMPARISON = 30;

/** Keyword that says what applying a schema costs. */
const MARK = '$cost';

function compile(schema: JsonObject, allErrors: boolean): ValidateFunction {
  try {
    return ajv(allErrors, /"unevaluated(Items|Properties)"/.test(JSON.stringify(schema))).compile(schema);
  } catch (error) {
    throw invalid([{ pointer: '', message: (error as Error).message.slice(0, 500) }]);
  }
}

function ajv(allErrors: boolean, usesUnevaluated: boolean): Ajv2020 {
  // RE2 in the place of RegExp (S11); `code` is only asked for where schemas become source text.
  const pattern = (text: string): { test(value: string): boolean; toString(): string } => {
    const compiled = RE2JS.compile(text);
    // What RE2 does for each character grows with its program.
    const perCharacter = Math.max(4, compiled.programSize());
    const test = (value: string): boolean => {
      spend(CALL_OF_PATTERN + value.length * perCharacter);
      return compiled.matcher(value).find();
    };
    // Patterns are told apart by their texts: without toString all of them would be the first one.
    return { test, toString: () => text };
  };
  const regExp = Object.assign(pattern, { code: 'RE2JS' });
  const made = new Ajv2020({
    strict: false,
    validateFormats: false,
    allErrors,
    verbose: allErrors,
    validateSchema: false,
    meta: false,
    logger: false,
    // Repeated where they are referred to, schemas could make any amount of code.
    inlineRefs: false,
    // Compiling is what is dear, and optimising is most of it.
    code: { regExp, optimize: false },
  });
  // Keeping account of what was evaluated is dear too, and asked for by these two alone.
  made.opts.unevaluated = usesUnevaluated;
  made.addKeyword({
    keyword: MARK,
    before: '$ref',
    schemaType: 'number',
    errors: false,
    validate: (cost: number, value: Json) => {
      spend(cost + sizeOf(value));
      return true;
    },
  });
  // As written these compare each with each; here each is looked at once.
  made.removeKeyword('enum');
  made.addKeyword({
    keyword: 'enum',
    schemaType: 'array',
    errors: false,
    error: { message: 'must be equal to one of the allowed values' },
    compile: (allowed: readonly Json[]) => {
      const texts = new Set(allowed.map(canonicalJson));
      return (value: Json) => texts.has(textOf(value));
    },
  });
  made.removeKeyword('uniqueItems');
  made.addKeyword({
    keyword: 'uniqueItems',
    type: 'array',
    schemaType: 'boolean',
    errors: false,
    error: { message: 'must not contain equal items' },
    validate: (unique: boolean, items: readonly Json[]) => !unique || new Set(items.map(textOf)).size === items.length,
  });
  return made;
}

function textOf(value: Json): string {
  const text = canonicalJson(value);
  spend(COMPARISON + 2 * text.length);
  return text;
}

function sizeOf(value: Json): number {
  if (Array.isArray(value)) return value.length;
  return isObject(value) ? Object.keys(value).length : 0;
}

let meta: Ajv2020 | undefined;

/** What the standard says against a schema. */
function metaFaults(schema: JsonObject): readonly SchemaFault[] {
  meta ??= new Ajv2020({ strict: false, validateFormats: false, allErrors: true, logger: false });
  if (meta.validateSchema(schema) === true) return [];
  return distinct((meta.errors ?? []).map((error) => ({ pointer: error.instancePath, message: error.message ?? 'is not allowed here' })));
}

/** The first finding of each place. */
function distinct<Found extends { readonly pointer?: string }>(found: readonly Found[]): readonly Found[] {
  const byPointer = new Map<string, Found>();
  for (const each of found) if (!byPointer.has(each.pointer ?? '')) byPointer.set(each.pointer ?? '', each);
  return [...byPointer.values()].slice(0, MAX_ISSUES);
}

/** Points at what is missing or too much, not at the object around it. */
function issueOf({ instancePath, keyword, message = 'does not fit', params, schema }: ErrorObject): Issue {
  const { missingProperty, additionalProperty, unevaluatedProperty } = params as Readonly<Record<string, unknown>>;
  const code = 'schema_violation';
  if (typeof missingProperty === 'string' && keyword === 'required')
    return { code, pointer: at(instancePath, missingProperty), message: 'is missing' };
  const surplus = additionalProperty ?? unevaluatedProperty;
  if (typeof surplus === 'string') return { code, pointer: at(instancePath, surplus), message: 'is not allowed' };
  if ((keyword === 'enum' || keyword === 'const') && schema !== undefined)
    return {
      code,
      pointer: instancePath,
      message: keyword === 'enum' ? `must be one of ${listed(schema as Json)}` : `must be ${listed(schema as Json)}`,
    };
  return { code, pointer: instancePath, message };
}

function listed(value: Json): string {
  const text = Array.isArray(value) ? value.map((each) => JSON.stringify(each)).join(', ') : JSON.stringify(value);
  return text.length > MAX_LISTED_CHARACTERS ? `${text.slice(0, MAX_LISTED_CHARACTERS)}…` : text;
}

function invalid(faults: readonly SchemaFault[]): EngineError {
  const issues = faults
    .slice(0, MAX_ISSUES)
    .map(({ pointer, message }): Issue => ({ code: 'invalid_schema', pointer, message: `The schema cannot be used: it ${message}.` }));
  return new EngineError('invalid', 'invalid_schema', issues[0]!.message, issues);
}
