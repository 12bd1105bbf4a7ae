import { ENTRY_KINDS, type EntryKind } from '../playbook.js';
import { type KindReader } from './kind-reader.js';
import { modelReader } from './model-kind.js';
import { playbookReader } from './playbook-kind.js';
import { promptReader } from './prompt-kind.js';
import { resourceReader } from './resource-kind.js';
import { toolReader } from './tool-kind.js';
import { workflowReader } from './workflow-kind.js';

/** Every kind of entry and who reads it: one file each. */
export const KIND_READERS: Readonly<Record<EntryKind, KindReader>> = {
  Playbook: playbookReader,
  Workflow: workflowReader,
  Tool: toolReader,
  Model: modelReader,
  Prompt: promptReader,
  Resource: resourceReader,
};

/** The kind of a word in any case; null where there is none. */
export function kindNamed(word: string): EntryKind | null {
  return ENTRY_KINDS.find((kind) => kind.toLowerCase() === word.toLowerCase()) ?? null;
}
