/** What a document may take before it is refused. */
export interface DocumentLimits {
  /** Of the text in UTF-8; what aliases copy counts on top, up to the same amount. */
  readonly bytes: number;
  readonly depth: number;
  /** Values and keys, after aliases are expanded. */
  readonly nodes: number;
  readonly aliases: number;
  /** Steps of one playbook. */
  readonly steps: number;
}

/** Used where nobody says otherwise. */
export const DOCUMENT_LIMITS: DocumentLimits = Object.freeze({
  bytes: 512 * 1024,
  depth: 64,
  nodes: 100_000,
  aliases: 100,
  steps: 1_000,
});

/** Pages of one action, at most. */
export const MOST_PAGES = 1_000;
