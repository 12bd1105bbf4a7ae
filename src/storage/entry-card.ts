import { inferInputSchema } from '../engine/playbook/inferred-schema.js';
import { type Playbook } from '../engine/playbook/playbook.js';
import { type Json, type JsonObject } from '../engine/values.js';

/** What a caller may do about the end of a call: hold on for it, or take a task for it. */
export type TaskSupport = 'optional' | 'required' | 'forbidden';

/** What clients are shown of an entry before they use it. Made at registration, so that lists read it as it is. */
export interface EntryCard {
  /** `metadata.name` of the document. */
  readonly name: string;
  readonly title: string | null;
  readonly description: string | null;
  readonly inputSchema: JsonObject;
  /** Only where the author declared one. */
  readonly outputSchema: JsonObject | null;
  readonly annotations: JsonObject;
  readonly task: TaskSupport;
  /** Of prompts: what they take. */
  readonly arguments: readonly PromptArgumentCard[];
  /** Of resources. */
  readonly mimeType: string | null;
}

export interface PromptArgumentCard {
  readonly name: string;
  readonly description: string | null;
  readonly required: boolean;
}

/** An entry's row among those that `latest` means. */
export interface HeadContent {
  readonly card: EntryCard;
  /** Wanted by the author; null: the service chooses. */
  readonly toolName: string | null;
  readonly exposed: readonly string[];
  readonly uri: string | null;
}

/** Raised where rows come out differently than before; older ones are then made anew. */
export const HEAD_FORM = 1;

/** Characters of a description that are kept for lists. */
const LONGEST_DESCRIPTION = 2_000;

/** What is listed of a document. Documents of older versions of the service lack some of it. */
export function headContentOf(playbook: Playbook): HeadContent {
  const { metadata, workload } = playbook;
  const contract = asObject((playbook as unknown as JsonObject).contract);
  const document = playbook as unknown as JsonObject;
  const declared = contract.inputSchema;
  return {
    card: {
      name: metadata.name,
      title: text(contract.title),
      description: metadata.description?.slice(0, LONGEST_DESCRIPTION) ?? null,
      inputSchema: isObject(declared) ? declared : inferInputSchema(workload ?? {}),
      outputSchema: isObject(contract.outputSchema) ? contract.outputSchema : null,
      annotations: asObject(contract.annotations),
      task: taskSupport(contract.task),
      arguments: promptArguments(document.arguments),
      mimeType: text(document.mimeType),
    },
    toolName: text(contract.toolName),
    exposed: Array.isArray(contract.expose) ? contract.expose.filter((name): name is string => typeof name === 'string') : [],
    uri: text(document.uri) ?? text(document.uriTemplate),
  };
}

function promptArguments(value: Json | undefined): PromptArgumentCard[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isObject).map(({ name, description, required }) => ({
    name: text(name) ?? '',
    description: text(description),
    required: required === true,
  }));
}

const taskSupport = (value: Json | undefined): TaskSupport => (value === 'required' || value === 'forbidden' ? value : 'optional');
const text = (value: Json | undefined): string | null => (typeof value === 'string' && value !== '' ? value : null);
const asObject = (value: Json | undefined): JsonObject => (isObject(value) ? value : {});

function isObject(value: Json | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
