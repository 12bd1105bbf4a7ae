import { isAlias, isMap, isScalar, isSeq, type LineCounter, type Node, type ParsedNode, type Scalar } from 'yaml';

/** A place in the text of a document, both 1-based. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Where the parts of a document stand in its text. Parts are named by JSON Pointer (RFC 6901). */
export class SourcePositions {
  constructor(
    private readonly root: ParsedNode | null,
    private readonly lines: LineCounter,
  ) {}

  /** The key of a mapping entry, the first character of a list item; of the nearest existing ancestor if there is no such part. */
  locate(pointer: string): Position {
    return this.at(this.find(pointer).label);
  }

  /** A place inside the string at `pointer`, given as 1-based line and column of the string's value. */
  locateIn(pointer: string, inside: Position): Position {
    const { value } = this.find(pointer);
    if (!isScalar(value) || !value.range) return this.locate(pointer);
    const start = this.at(value.range[0]);
    if (value.type === 'BLOCK_LITERAL' || value.type === 'BLOCK_FOLDED') {
      // The value begins on the line below the `|`; its indentation is that of its first line with text.
      const source = value.source ?? '';
      return { line: start.line + inside.line, column: inside.column + blockIndent(value, source) };
    }
    const quote = value.type === 'PLAIN' ? 0 : 1;
    return inside.line === 1
      ? { line: start.line, column: start.column + quote + inside.column - 1 }
      : { line: start.line + inside.line - 1, column: inside.column };
  }

  /** A scalar as it is written, without quotes: `0.10` stays `0.10`. null where the part is no scalar. */
  sourceOf(pointer: string): string | null {
    const { value, found } = this.find(pointer);
    return found && isScalar(value) ? scalarText(value) : null;
  }

  private find(pointer: string): { value: Node | null; label: number; found: boolean } {
    let value: Node | null = this.root;
    let label = this.root?.range[0] ?? 0;
    for (const segment of pointer.split('/').slice(1).map(unescapeSegment)) {
      const child: { label: Node | null; value: Node | null } | null = childOf(value, segment);
      if (!child) return { value, label, found: false };
      label = child.label?.range?.[0] ?? label;
      value = child.value;
    }
    return { value, label, found: true };
  }

  private at(offset: number): Position {
    const { line, col } = this.lines.linePos(offset);
    return { line: Math.max(line, 1), column: Math.max(col, 1) };
  }
}

/** The name of a mapping entry: keys that are numbers, booleans or null count as they are written. null: not a scalar. */
export function keyText(key: unknown): string | null {
  if (key === null) return 'null';
  return isScalar(key) ? scalarText(key) : null;
}

/** Builds a pointer: `at('/workflow', 3, 'next')` is `/workflow/3/next`. */
export function at(pointer: string, ...segments: readonly (string | number)[]): string {
  return segments.reduce<string>((path, segment) => `${path}/${String(segment).replaceAll('~', '~0').replaceAll('/', '~1')}`, pointer);
}

function scalarText(scalar: Scalar): string {
  if (typeof scalar.value === 'string') return scalar.value;
  return scalar.source ? scalar.source : String(scalar.value);
}

function childOf(parent: Node | null, segment: string): { label: Node | null; value: Node | null } | null {
  if (isMap(parent)) {
    const pair = parent.items.find((item) => keyText(item.key) === segment);
    return pair ? { label: pair.key as Node | null, value: pair.value as Node | null } : null;
  }
  if (isSeq(parent)) {
    const item = /^\d+$/.test(segment) ? (parent.items[Number(segment)] as Node | undefined) : undefined;
    return item && !isAlias(parent) ? { label: item, value: item } : null;
  }
  return null;
}

function blockIndent(scalar: Scalar, source: string): number {
  const token = scalar.srcToken;
  if (token?.type !== 'block-scalar') return 0;
  const raw = token.source.split('\n').find((line) => line.trim() !== '') ?? '';
  const shown = source.split('\n').find((line) => line.trim() !== '') ?? '';
  return Math.max(0, raw.trimEnd().length - shown.trimEnd().length);
}

function unescapeSegment(segment: string): string {
  return segment.replaceAll('~1', '/').replaceAll('~0', '~');
}
