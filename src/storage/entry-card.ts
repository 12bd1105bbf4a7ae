import { inferInputSchema } from '../engine/playbook/inferred-schema.js';
import { type EntryContract, NO_CONTRACT, type Playbook, type PromptArgument } from '../engine/playbook/playbook.js';
import { type JsonObject } from '../engine/values.js';

/** What clients are shown of an entry before they use it. Made at registration, so that lists read it as it is. */
export interface EntryCard {
  /** `metadata.name` of the document. */
  readonly name: string;
  readonly title: string | null;
  readonly description: string | null;
  readonly inputSchema: JsonObject;
  /** Only where the author declared one. */
  readonly outputSchema: JsonObject | null;
  readonly annotations: EntryContract['annotations'];
  readonly task: EntryContract['task'];
  /** Of prompts: what they take. */
  readonly arguments: readonly PromptArgument[];
  /** Of resources. */
  readonly mimeType: string | null;
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
  const contract = { ...NO_CONTRACT, ...(playbook.contract as Partial<EntryContract> | undefined) };
  return {
    card: {
      name: metadata.name,
      title: contract.title,
      description: metadata.description?.slice(0, LONGEST_DESCRIPTION) ?? null,
      inputSchema: contract.inputSchema ?? inferInputSchema(workload ?? {}),
      outputSchema: contract.outputSchema,
      annotations: contract.annotations,
      task: contract.task,
      arguments: playbook.prompt?.arguments ?? [],
      mimeType: playbook.resource?.mimeType ?? null,
    },
    toolName: contract.toolName,
    exposed: contract.expose,
    uri: playbook.resource?.uri ?? playbook.resource?.uriTemplate ?? null,
  };
}
