import { type ServerResponse } from 'node:http';
import { isObject, type JsonObject } from '../../src/engine/values.js';
import { type Behaviours, type SeenCall, sendJson } from './model-server.js';

/**
 * Stands in for KServe's Hugging Face runtime with a text classifier, at the wire: refuses with 400 and a reason whatever is not as the Open Inference
 * Protocol (REST, version 2) says, and answers classes otherwise: 1 for texts with "love" in them, else 0.
 */
export function bertServer(name: string): Behaviours[string] {
  return (call, response) => {
    const fault = faultOf(call, name);
    if (fault !== null) return sendJson(response, { error: fault }, 400);
    const [{ data }] = call.body.inputs as [{ data: string[] }];
    answer(response, name, call.body.id, data.map((text) => (text.includes('love') ? 1 : 0))); // prettier-ignore
  };
}

/** As that runtime writes it, with nulls for what it has not. */
function answer(response: ServerResponse, name: string, id: unknown, classes: readonly number[]): void {
  const output = { name: 'output-0', shape: [classes.length], datatype: 'INT64', parameters: null, data: classes };
  sendJson(response, { model_name: name, model_version: '1', id, parameters: null, outputs: [output] });
}

function faultOf({ method, url, headers, body }: SeenCall, name: string): string | null {
  if (method !== 'POST' || !url.endsWith(`/v2/models/${name}/infer`)) return `there is no ${method} ${url}`;
  if (headers['content-type'] !== 'application/json') return 'the content type is not application/json';
  const strange = Object.keys(body).find((key) => !['id', 'parameters', 'inputs', 'outputs'].includes(key));
  if (strange !== undefined) return `a request has no ${strange}`;
  if (typeof body.id !== 'string') return 'id is no text';
  const { inputs, outputs } = body;
  if (!Array.isArray(inputs) || inputs.length !== 1) return 'the model takes one input';
  if (outputs !== undefined && !(Array.isArray(outputs) && outputs.every((each) => isObject(each) && each.name === 'output-0')))
    return 'the model has one output, output-0';
  return faultOfInput(inputs[0] as JsonObject);
}

function faultOfInput(input: JsonObject): string | null {
  if (String(Object.keys(input).sort()) !== 'data,datatype,name,shape') return `an input has not the keys ${Object.keys(input).join(', ')}`;
  const { name, datatype, shape, data } = input;
  if (name !== 'input-0') return 'the input is input-0';
  if (datatype !== 'BYTES') return 'the input is of datatype BYTES';
  if (!Array.isArray(data) || !data.every((text) => typeof text === 'string')) return 'data is no list of texts';
  if (!Array.isArray(shape) || shape.length !== 1 || shape[0] !== data.length) return 'shape is not that of data';
  return data.length > 16 ? 'more than 16 texts do not fit the memory of this server' : null;
}
