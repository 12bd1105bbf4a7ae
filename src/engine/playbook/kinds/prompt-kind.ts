import { isObject, type Json, type JsonObject, own } from '../../values.js';
import { type Given } from '../document-reading.js';
import { type Findings } from '../findings.js';
import { textOf } from '../normalise-values.js';
import { type PromptArgument } from '../playbook.js';
import { at } from '../source-positions.js';
import { contentOf } from './content-blocks.js';
import { type EntryBody, type KindReader } from './kind-reader.js';
import { MAKER_KEYS, makerOf } from './made-content.js';

const ARGUMENT_KEYS = ['name', 'description', 'required', 'enum'];
const ARGUMENT_NAME = /^[A-Za-z_][A-Za-z0-9_-]{0,63}$/;
const MOST = { arguments: 64, messages: 100, values: 100 } as const;

/** What running a prompt gives. */
const RESULT: JsonObject = {
  type: 'object',
  required: ['messages'],
  properties: {
    messages: {
      type: 'array',
      items: {
        type: 'object',
        required: ['role', 'content'],
        properties: { role: { enum: ['user', 'assistant'] }, content: { type: 'object', required: ['type'] } },
      },
    },
  },
};

/**
 * `kind: Prompt`: messages for a model, made of arguments. Its program gives `{messages: [{role, content}]}`, whether they are written in the document
 * or made by a playbook, or by steps of its own.
 */
export const promptReader: KindReader = {
  rootKeys: ['arguments', 'messages', ...MAKER_KEYS],

  read(root, reading, contract): EntryBody {
    const args = argumentsOf(reading.find(root, 'arguments'), reading.findings);
    const messages = reading.find(root, 'messages');
    const body = makerOf(
      root,
      reading,
      contract,
      'messages',
      messages && { messages: messagesOf(messages, reading.findings) },
      messages?.pointer ?? '',
    );
    return {
      ...body,
      prompt: { arguments: args },
      contract: { ...contract, inputSchema: contract.inputSchema ?? schemaOf(args), outputSchema: contract.outputSchema ?? RESULT },
    };
  },
};

function argumentsOf(given: Given | null, findings: Findings): PromptArgument[] {
  if (!given) return [];
  const { value, pointer } = given;
  if (!Array.isArray(value)) {
    findings.error('invalid_type', pointer, 'arguments must be a list of mappings with "name".');
    return [];
  }
  if (value.length > MOST.arguments) findings.error('invalid_value', pointer, `A prompt has at most ${MOST.arguments} arguments.`);
  const names = new Set<string>();
  return value.slice(0, MOST.arguments).flatMap((item, index) => {
    const place = at(pointer, index);
    const argument = argumentOf(item, place, findings);
    if (argument && names.has(argument.name))
      findings.error('invalid_value', at(place, 'name'), `There are two arguments "${argument.name}".`);
    if (argument) names.add(argument.name);
    return argument ? [argument] : [];
  });
}

function argumentOf(value: Json, pointer: string, findings: Findings): PromptArgument | null {
  if (!isObject(value)) {
    findings.error('invalid_type', pointer, 'An argument must be a mapping with "name".');
    return null;
  }
  for (const key of Object.keys(value))
    if (!ARGUMENT_KEYS.includes(key))
      findings.warn('unknown_field', at(pointer, key), `unknown key "${key}" in an argument; it has no effect`);
  const name = own(value, 'name') ?? null;
  if (typeof name !== 'string' || !ARGUMENT_NAME.test(name)) {
    const where = name === null ? pointer : at(pointer, 'name');
    findings.error(
      name === null ? 'missing_field' : 'invalid_value',
      where,
      'name: a letter or "_", then up to 63 letters, digits, "_" and "-".',
    );
    return null;
  }
  const required = own(value, 'required') ?? false;
  if (typeof required !== 'boolean') findings.error('invalid_type', at(pointer, 'required'), 'required must be true or false.');
  const description = own(value, 'description') ?? null;
  const text = textOf(description);
  if (description !== null && text === null) findings.error('invalid_type', at(pointer, 'description'), 'description must be text.');
  return {
    name,
    description: text,
    required: required === true,
    values: valuesOf(own(value, 'enum') ?? null, at(pointer, 'enum'), findings),
  };
}

function valuesOf(value: Json, pointer: string, findings: Findings): readonly string[] | null {
  if (value === null) return null;
  const isSound =
    Array.isArray(value) && value.length > 0 && value.length <= MOST.values && value.every((item) => typeof item === 'string');
  if (isSound) return value;
  findings.error('invalid_value', pointer, `enum must be a list of 1 to ${MOST.values} texts.`);
  return null;
}

/** Arguments of prompts are texts. */
function schemaOf(args: readonly PromptArgument[]): JsonObject {
  return {
    type: 'object',
    properties: Object.fromEntries(
      args.map(({ name, description, values }) => [
        name,
        { type: 'string', ...(description === null ? {} : { description }), ...(values === null ? {} : { enum: [...values] }) },
      ]),
    ),
    required: args.filter(({ required }) => required).map(({ name }) => name),
    additionalProperties: false,
  };
}

/** One message for each block: a message has one. */
function messagesOf({ value, pointer }: Given, findings: Findings): Json[] {
  if (!Array.isArray(value) || value.length === 0 || value.length > MOST.messages) {
    findings.error('invalid_value', pointer, `messages must be a list of 1 to ${MOST.messages} mappings with "role" and "content".`);
    return [];
  }
  return value.flatMap((item, index): Json[] => {
    const place = at(pointer, index);
    if (!isObject(item)) {
      findings.error('invalid_type', place, 'A message must be a mapping with "role" and "content".');
      return [];
    }
    const role = own(item, 'role') ?? 'user';
    if (role !== 'user' && role !== 'assistant') findings.error('invalid_value', at(place, 'role'), 'role must be user or assistant.');
    for (const key of Object.keys(item))
      if (key !== 'role' && key !== 'content')
        findings.warn('unknown_field', at(place, key), `unknown key "${key}" in a message; it has no effect`);
    const content = own(item, 'content') ?? null;
    if (content === null) {
      findings.error('missing_field', place, 'A message needs "content".');
      return [];
    }
    return contentOf(content, at(place, 'content'), findings).map((block) => ({ role, content: block }));
  });
}
