import { type Json, type JsonObject, isObject, own } from '../values.js';
import { Findings } from './findings.js';
import { type SourceDocument } from './read-document.js';
import { at } from './source-positions.js';

/** A value of the document and where it stands. */
export interface Given {
  readonly value: Json;
  readonly pointer: string;
}

/** A document while it becomes an entry: what was found about it, and where the parts of the canonical form come from. */
export class DocumentReading {
  readonly findings: Findings;
  private readonly stepPointers = new Map<string, string>();
  private readonly taskPointers = new Map<string, string>();

  constructor(
    private readonly document: SourceDocument,
    /** Steps it may have. */
    readonly mostSteps: number,
  ) {
    this.findings = new Findings((pointer) => document.locate(pointer));
  }

  /** 1-based line of a part of the document. */
  lineOf(pointer: string): number {
    return this.document.locate(pointer).line;
  }

  /** Remembers where a step stands; the first of a name counts. */
  placeStep(name: string, pointer: string): void {
    if (!this.stepPointers.has(name)) this.stepPointers.set(name, pointer);
  }

  /** Remembers where a workbook task stands; false where there was one of that name. */
  placeTask(name: string, pointer: string): boolean {
    if (this.taskPointers.has(name)) return false;
    this.taskPointers.set(name, pointer);
    return true;
  }

  /** Pointer of a step or task into the document; the root's where it is not known. */
  originOf(place: { readonly step: string } | { readonly task: string }): string {
    return ('step' in place ? this.stepPointers.get(place.step) : this.taskPointers.get(place.task)) ?? '';
  }

  /** What the root has under a key, or `spec` where the root has nothing; null where neither does. */
  find(root: JsonObject, key: string): Given | null {
    const value = own(root, key) ?? null;
    if (value !== null) return { value, pointer: at('', key) };
    const spec = own(root, 'spec');
    const below = isObject(spec) ? (own(spec, key) ?? null) : null;
    return below === null ? null : { value: below, pointer: at('/spec', key) };
  }

  /** The mapping below a key of the root; empty where there is none. */
  mappingAt(root: JsonObject, key: string): JsonObject {
    const value: Json = own(root, key) ?? null;
    if (isObject(value)) return value;
    if (value !== null) this.findings.error('invalid_type', at('', key), `"${key}" must be a mapping.`);
    return {};
  }

  /** The list below a key of the root; empty where there is none. */
  listAt(root: JsonObject, key: string): Json[] {
    const value: Json = own(root, key) ?? null;
    if (Array.isArray(value)) return value;
    if (value !== null) this.findings.error('invalid_type', at('', key), `"${key}" must be a list.`);
    return [];
  }
}
