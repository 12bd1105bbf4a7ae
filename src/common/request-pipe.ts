import { type PipeTransform } from '@nestjs/common';
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js';
import { EngineError, type Issue } from '../engine/engine-error.js';
import { isObject, type JsonObject } from '../engine/values.js';
import { type DtoClass, schemasOf } from './schema-of.js';
import { wordingOf } from './validation-wording.js';
import { canonicalise, wireFieldsOf } from './wire-field.js';

/** More findings than this help nobody. */
const MAX_ISSUES = 50;

export interface RequestPipeOptions {
  /** An empty body counts as `{}`. */
  readonly optional?: boolean;
  /** The source are query parameters: text is read as the number or boolean that the field asks for. */
  readonly query?: boolean;
}

/**
 * Checks a body (or query) with a validator compiled at boot from the very schema that the OpenAPI document shows of the class.
 * Fills defaults, coerces nothing in bodies, refuses unknown fields. The value stays a plain object.
 * Throws EngineError `invalid` with one issue per finding, `unreadable` where there is no body.
 */
export class RequestPipe<T extends object> implements PipeTransform<unknown, T> {
  private readonly fields: ReturnType<typeof wireFieldsOf>;
  private readonly check: ValidateFunction;
  private explain: ValidateFunction | undefined;

  constructor(
    private readonly dto: DtoClass<T>,
    private readonly options: RequestPipeOptions = {},
  ) {
    this.fields = wireFieldsOf(dto.prototype as object);
    this.check = this.compile(false);
  }

  transform(value: unknown): T {
    const body = this.objectOf(value);
    canonicalise(body, this.fields);
    if (this.check(body)) return body as T;
    throw this.refusal(body);
  }

  private objectOf(value: unknown): JsonObject {
    if (isObject(value)) return this.options.query ? { ...value } : value;
    if (value === undefined) {
      if (this.options.optional) return {};
      throw new EngineError('unreadable', 'malformed_json', 'The request needs a JSON body.');
    }
    throw new EngineError('invalid', 'invalid_request', 'The body must be a JSON object.', [
      { pointer: '', code: 'invalid_type', message: 'must be an object' },
    ]);
  }

  private compile(allErrors: boolean): ValidateFunction {
    const schemas = schemasOf(this.dto);
    return compilerOf(this.options.query ?? false, allErrors).compile({
      $ref: `#/components/schemas/${this.dto.name}`,
      components: { schemas },
    });
  }

  private refusal(body: JsonObject): EngineError {
    this.explain ??= this.compile(true);
    this.explain(body);
    const wording = wordingOf(this.dto, body);
    const issues = telling(this.explain.errors ?? [])
      .slice(0, MAX_ISSUES)
      .map((error) => issueOf(error, wording));
    return new EngineError('invalid', 'invalid_request', 'The request is not valid; errors[] says where.', distinct(issues));
  }
}

/** One for each way of checking: it compiles the schema of schemas once, which takes longer than all of ours. */
const compilers = new Map<string, Ajv2020>();

function compilerOf(coerceTypes: boolean, allErrors: boolean): Ajv2020 {
  const key = `${coerceTypes} ${allErrors}`;
  let ajv = compilers.get(key);
  if (ajv === undefined) {
    ajv = new Ajv2020({ strict: false, validateFormats: false, useDefaults: true, coerceTypes, allErrors });
    compilers.set(key, ajv);
  }
  return ajv;
}

/** Leaves out what only echoes another finding: "or null", and the union around a nested one. */
function telling(errors: readonly ErrorObject[]): ErrorObject[] {
  const direct = errors.filter(
    ({ keyword, params }) => keyword !== 'anyOf' && !(keyword === 'type' && (params as { type?: unknown }).type === 'null'),
  );
  return direct.length > 0 ? direct : [...errors];
}

function issueOf(error: ErrorObject, wording: ReadonlyMap<string, string>): Issue {
  const params = error.params as { additionalProperty?: string; missingProperty?: string };
  const at = (property: string | undefined): string => `${error.instancePath}/${escapePointer(property ?? '')}`;
  switch (error.keyword) {
    case 'additionalProperties':
      return { pointer: at(params.additionalProperty), code: 'unknown_field', message: 'is not a field of this request' };
    case 'required':
      return { pointer: at(params.missingProperty), code: 'missing_field', message: 'is missing' };
    case 'type':
      return { pointer: error.instancePath, code: 'invalid_type', message: error.message ?? 'has the wrong type' };
    default:
      return {
        pointer: error.instancePath,
        code: 'invalid_value',
        message: wording.get(error.instancePath) ?? error.message ?? 'is not allowed',
      };
  }
}

const escapePointer = (key: string): string => key.replaceAll('~', '~0').replaceAll('/', '~1');

function distinct(issues: readonly Issue[]): Issue[] {
  return [...new Map(issues.map((issue) => [`${issue.pointer} ${issue.code}`, issue])).values()];
}
