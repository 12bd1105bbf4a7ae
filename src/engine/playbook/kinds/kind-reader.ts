import { type JsonObject } from '../../values.js';
import { type DocumentReading } from '../document-reading.js';
import { type EntryContract, type Playbook } from '../playbook.js';

/** What a kind makes of its document: the program, without what all kinds have; and a contract where it says more than its author did. */
export type EntryBody = Omit<Playbook, 'apiVersion' | 'kind' | 'metadata' | 'contract'> & { readonly contract?: EntryContract };

/** How documents of one kind are read. */
export interface KindReader {
  /** Keys of the document's root that this kind knows besides those of every kind. */
  readonly rootKeys: readonly string[];
  /** Makes the program; what is wrong goes to `reading.findings`. */
  read(root: JsonObject, reading: DocumentReading, contract: EntryContract): EntryBody;
}
