import { EngineError, type Issue } from '../engine-error.js';
import { isObject, type Json, type JsonObject } from '../values.js';
import { compileJsonSchema } from './json-schema.js';
import { at } from './source-positions.js';

/** What an `input` step may ask of whoever started the execution: the input requests of MCP (2026-07-28). */
export const INPUT_METHODS = ['elicitation/create', 'sampling/createMessage', 'roots/list'] as const;

const KEY = /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,63}$/;
const MOST_REQUESTS = 16;
const ACTIONS = ['accept', 'decline', 'cancel'];

/**
 * What is wrong with the requests of a step, with pointers relative to them.
 * @param isOpen whether a value is a template that is still to be rendered, so that nothing can be said of it yet
 */
export function requestIssues(requests: Json, isOpen: (value: Json) => boolean = () => false): Issue[] {
  if (isOpen(requests)) return [];
  if (!isObject(requests)) return [wrong('', 'requests must be a mapping of names to requests.', 'invalid_type')];
  const entries = Object.entries(requests);
  if (entries.length === 0 || entries.length > MOST_REQUESTS) return [wrong('', `requests must be 1 to ${MOST_REQUESTS}.`)];
  return entries.flatMap(([key, request]) => {
    const pointer = at('', key);
    if (!KEY.test(key)) return [wrong(pointer, 'The name of a request is 1 to 64 of A-Z a-z 0-9 _ . : -.')];
    return isOpen(request) ? [] : oneRequest(request, pointer, isOpen);
  });
}

function oneRequest(request: Json, pointer: string, isOpen: (value: Json) => boolean): Issue[] {
  if (!isObject(request)) return [wrong(pointer, 'A request must be a mapping with "method" and "params".', 'invalid_type')];
  const unknown = Object.keys(request).find((key) => key !== 'method' && key !== 'params');
  if (unknown !== undefined) return [wrong(at(pointer, unknown), `A request has "method" and "params", no "${unknown}".`)];
  const { method, params = {} } = request;
  if (method === undefined) return [wrong(pointer, 'A request needs "method".', 'missing_field')];
  if (isOpen(method)) return [];
  if (!INPUT_METHODS.some((known) => known === method))
    return [wrong(at(pointer, 'method'), `method must be one of ${INPUT_METHODS.join(', ')}.`)];
  if (isOpen(params)) return [];
  const place = at(pointer, 'params');
  if (!isObject(params)) return [wrong(place, 'params must be a mapping.', 'invalid_type')];
  const needs = (...names: string[]): Issue[] =>
    names.flatMap((name) =>
      params[name] === undefined ? [wrong(place, `params of ${String(method)} need "${name}".`, 'missing_field')] : [],
    );
  if (method === 'roots/list') return [];
  if (method === 'sampling/createMessage') {
    const { messages } = params;
    if (messages !== undefined && !Array.isArray(messages) && !isOpen(messages))
      return [wrong(at(place, 'messages'), 'messages must be a list.', 'invalid_type')];
    return needs('messages', 'maxTokens');
  }
  if (params['mode'] === 'url') return needs('message', 'url');
  const { message, requestedSchema } = params;
  if (message !== undefined && typeof message !== 'string') return [wrong(at(place, 'message'), 'message must be a text.', 'invalid_type')];
  // A template anywhere in it: it is checked once it is rendered.
  if (requestedSchema === undefined || isOpen(JSON.stringify(requestedSchema))) return needs('message', 'requestedSchema');
  return [...needs('message'), ...schemaIssues(requestedSchema, at(place, 'requestedSchema'))];
}

function schemaIssues(schema: Json, pointer: string): Issue[] {
  try {
    compileJsonSchema(schema);
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    return [{ code: 'invalid_schema', message: error.message, pointer }];
  }
  return isObject(schema) && schema['type'] === 'object'
    ? []
    : [wrong(pointer, 'requestedSchema must be of type object.', 'invalid_schema')];
}

/**
 * What is wrong with answers to requests that were found sound; pointers are relative to the answers. Each request has one answer; what was filled
 * in has to fit the schema that was asked for.
 */
export function answerIssues(requests: JsonObject, answers: Json): Issue[] {
  if (!isObject(answers)) return [misfit('', 'must be a mapping with an answer to each request')];
  const stray = Object.keys(answers).filter((key) => !Object.hasOwn(requests, key));
  return [
    ...stray.map((key) => misfit(at('', key), 'was not asked for')),
    ...Object.entries(requests).flatMap(([key, request]) => oneAnswer(request as JsonObject, answers[key], at('', key))),
  ];
}

function oneAnswer({ method, params }: JsonObject, answer: Json | undefined, pointer: string): Issue[] {
  if (answer === undefined) return [misfit(pointer, 'is missing')];
  if (!isObject(answer)) return [misfit(pointer, 'must be a mapping')];
  if (method === 'roots/list') return Array.isArray(answer['roots']) ? [] : [misfit(at(pointer, 'roots'), 'must be a list')];
  if (method === 'sampling/createMessage')
    return ['role', 'content'].flatMap((name) => (answer[name] === undefined ? [misfit(at(pointer, name), 'is missing')] : []));
  const { action, content } = answer;
  if (typeof action !== 'string' || !ACTIONS.includes(action))
    return [misfit(at(pointer, 'action'), `must be one of ${ACTIONS.join(', ')}`)];
  const schema = isObject(params) ? params['requestedSchema'] : undefined;
  if (action !== 'accept' || schema === undefined) return [];
  const issues = compileJsonSchema(schema).issuesOf(content ?? {});
  return issues.map((issue) => ({ ...issue, pointer: at(pointer, 'content') + (issue.pointer ?? '') }));
}

function wrong(
  pointer: string,
  message: string,
  code: 'invalid_value' | 'invalid_type' | 'missing_field' | 'invalid_schema' = 'invalid_value',
): Issue {
  return { code, message, pointer };
}

function misfit(pointer: string, message: string): Issue {
  return { code: 'schema_violation', message, pointer };
}
