import { Composer, type Document, isAlias, isMap, isScalar, isSeq, LineCounter, type Pair, type ParsedNode, type Scalar } from 'yaml';
import { EngineError, type ErrorKind, type Issue } from '../engine-error.js';
import { type ErrorCode } from '../error-codes.js';
import { isObject, type Json, type JsonObject } from '../values.js';
import { scanTokens } from './depth-scan.js';
import { DOCUMENT_LIMITS, type DocumentLimits } from './document-limits.js';
import { keyText, type Position, SourcePositions } from './source-positions.js';

/** A document as plain JSON, and where its parts stand in the text. */
export interface SourceDocument {
  readonly value: Json;
  readonly positions: SourcePositions;
  /** Position of a JSON Pointer, or of its nearest existing ancestor. */
  locate(pointer: string): Position;
}

/**
 * Reads YAML 1.2 (core schema, and the merge keys of YAML 1.1, which authors use) or JSON as JSON, without what makes YAML dangerous or ambiguous:
 * custom tags, duplicate keys, `__proto__`, NUL and lone surrogates, numbers a double cannot hold, and bombs of any shape.
 *
 * @throws EngineError `too_large` (`document_too_large`), `unreadable` (`malformed_yaml`, `depth_exceeded`,
 * `too_many_nodes`, `invalid_unicode`, `forbidden_key`, `unsafe_number`) or `invalid` (`duplicate_key`, `unsupported_yaml`);
 * its issues carry line and column.
 */
export function readDocument(text: string, limits: DocumentLimits = DOCUMENT_LIMITS): SourceDocument {
  if (text.length > limits.bytes || Buffer.byteLength(text) > limits.bytes)
    throw refusal('too_large', 'document_too_large', `The document is above ${limits.bytes} bytes.`);
  const body = text.startsWith('\uFEFF') ? text.slice(1) : text;
  const lines = new LineCounter();
  refuseBadUnicode(body);
  const tokens = scanTokens(body, limits, lines.addNewLine);
  const document = composeOne(tokens, lines);
  const value = new Conversion(lines, limits).convert(document.contents);
  const positions = new SourcePositions(document.contents, lines);
  return { value, positions, locate: (pointer) => positions.locate(pointer) };
}

function refuseBadUnicode(text: string): void {
  const nul = text.indexOf('\0');
  if (nul < 0 && text.isWellFormed()) return;
  const offset = nul >= 0 ? nul : text.search(/\p{Surrogate}/u);
  const before = text.slice(0, offset).split('\n');
  throw refusal('unreadable', 'invalid_unicode', 'The document contains NUL or a lone surrogate.', {
    line: before.length,
    column: (before.at(-1)?.length ?? 0) + 1,
  });
}

function composeOne(tokens: Parameters<Composer['compose']>[0], lines: LineCounter): Document.Parsed {
  const composer = new Composer({
    schema: 'core',
    version: '1.2',
    merge: false,
    uniqueKeys: false,
    prettyErrors: false,
    keepSourceTokens: true,
    logLevel: 'silent',
  });
  const [first, ...rest] = [...composer.compose(tokens, true, 0)];
  if (!first) throw refusal('unreadable', 'malformed_yaml', 'The document is empty.');
  const extra = rest.find((document) => document.contents !== null && document.contents.range[1] > document.contents.range[0]);
  if (extra)
    throw refusal(
      'invalid',
      'unsupported_yaml',
      'The text holds several documents; send one.',
      posOf(lines, extra.contents?.range[0] ?? 0),
    );
  const problems = [...first.errors, ...rest.flatMap((document) => document.errors)].slice(0, 20);
  if (problems.length > 0) {
    const issues = problems.map((problem): Issue => ({
      code: 'malformed_yaml',
      message: problem.message,
      ...posOf(lines, problem.pos[0]),
    }));
    throw new EngineError('unreadable', 'malformed_yaml', `The document is not YAML: ${issues[0]?.message ?? ''}`, issues);
  }
  const tag = first.warnings.find(({ code }) => code === 'TAG_RESOLVE_FAILED');
  if (tag) throw refusal('invalid', 'unsupported_yaml', `Custom tags are not accepted: ${tag.message}.`, posOf(lines, tag.pos[0]));
  return first;
}

const ALLOWED_TAGS = new Set(['str', 'int', 'float', 'bool', 'null', 'map', 'seq'].map((name) => `tag:yaml.org,2002:${name}`));

/** One walk over the syntax tree, in document order: anchors keep the JSON they stood for, aliases copy it and count. */
class Conversion {
  private nodes = 0;
  private aliases = 0;
  private copiedCharacters = 0;
  private readonly anchors = new Map<string, Json | typeof OPEN>();

  constructor(
    private readonly lines: LineCounter,
    private readonly limits: DocumentLimits,
  ) {}

  convert(node: ParsedNode | null, depth = 0): Json {
    this.count(node);
    if (node === null) return null;
    if (isAlias(node)) return this.copy(node.source, node, depth);
    if (node.tag && node.tag !== '!' && !ALLOWED_TAGS.has(node.tag))
      throw this.refuse('invalid', 'unsupported_yaml', `The tag ${node.tag} is not accepted.`, node);
    if (node.anchor) this.anchors.set(node.anchor, OPEN);
    const value = isScalar(node) ? this.scalar(node) : this.collection(node, depth + 1);
    if (node.anchor) this.anchors.set(node.anchor, value);
    return value;
  }

  private collection(node: ParsedNode, depth: number): Json {
    if (depth > this.limits.depth)
      throw this.refuse('unreadable', 'depth_exceeded', `The document is nested deeper than ${this.limits.depth} levels.`, node);
    if (isSeq(node)) return node.items.map((item) => this.convert(item as ParsedNode | null, depth));
    if (!isMap(node)) throw this.refuse('invalid', 'unsupported_yaml', 'This kind of value is not accepted.', node);
    const object: JsonObject = {};
    let merged: readonly JsonObject[] | null = null;
    for (const pair of node.items as Pair<ParsedNode, ParsedNode | null>[]) {
      const key = this.key(pair.key, node);
      if (isMergeKey(pair.key)) {
        if (merged) throw this.refuse('invalid', 'duplicate_key', 'The key "<<" occurs twice in this mapping; it takes a list.', pair.key);
        merged = this.mergedInto(pair, depth);
        continue;
      }
      if (Object.hasOwn(object, key))
        throw this.refuse('invalid', 'duplicate_key', `The key "${key}" occurs twice in this mapping.`, pair.key);
      object[key] = this.convert(pair.value, depth);
    }
    return merged === null ? object : (Object.assign({}, ...merged.toReversed(), object) as JsonObject);
  }

  /** What stands behind `<<`: of several that have a key the first counts, and the mapping's own before all (https://yaml.org/type/merge.html). */
  private mergedInto({ key, value }: Pair<ParsedNode, ParsedNode | null>, depth: number): readonly JsonObject[] {
    // Its entries are on the level of the mapping itself.
    const source = this.convert(value, depth - 1);
    const mappings = Array.isArray(source) ? source : [source];
    if (mappings.every(isObject)) return mappings;
    throw this.refuse('invalid', 'unsupported_yaml', 'A merge key (<<) takes a mapping, or a list of mappings.', value ?? key);
  }

  private key(key: ParsedNode | null, parent: ParsedNode): string {
    this.count(key);
    const name = keyText(key);
    if (name === null)
      throw this.refuse('invalid', 'unsupported_yaml', 'A key must be text. A template needs quotes: "{{ … }}".', key ?? parent);
    if (name === '__proto__') throw this.refuse('unreadable', 'forbidden_key', 'The key __proto__ is refused.', key ?? parent);
    this.checkText(name, key ?? parent);
    return name;
  }

  private scalar(node: Scalar & ParsedNode): Json {
    const { value } = node;
    if (value === null || typeof value === 'boolean') return value;
    if (typeof value === 'string') return this.checkText(value, node);
    if (typeof value !== 'number') throw this.refuse('invalid', 'unsupported_yaml', 'This kind of value is not accepted.', node);
    const unsafe = !Number.isFinite(value) || (Number.isInteger(value) && !Number.isSafeInteger(value) && !/[eE]/.test(node.source ?? ''));
    if (unsafe)
      throw this.refuse(
        'unreadable',
        'unsafe_number',
        `The number ${node.source ?? value} cannot be held exactly; put it in quotes.`,
        node,
      );
    return value;
  }

  private checkText(text: string, node: ParsedNode): string {
    // An escape (\0, \ud800) can bring back what the text itself does not contain.
    if (text.includes('\0') || !text.isWellFormed())
      throw this.refuse('unreadable', 'invalid_unicode', 'A string contains NUL or a lone surrogate.', node);
    return text;
  }

  private copy(name: string, node: ParsedNode, depth: number): Json {
    const value = this.anchors.get(name);
    if (value === undefined) throw this.refuse('unreadable', 'malformed_yaml', `There is no anchor &${name} before this alias.`, node);
    if (value === OPEN) throw this.refuse('invalid', 'unsupported_yaml', `The alias *${name} contains itself.`, node);
    if (++this.aliases > this.limits.aliases)
      throw this.refuse('invalid', 'unsupported_yaml', `The document uses more than ${this.limits.aliases} aliases.`, node);
    return this.clone(value, depth, node);
  }

  private clone(value: Json, depth: number, alias: ParsedNode): Json {
    if (typeof value === 'string') this.countCopy(value, alias);
    if (value === null || typeof value !== 'object') return value;
    if (depth + 1 > this.limits.depth)
      throw this.refuse('unreadable', 'depth_exceeded', `The document is nested deeper than ${this.limits.depth} levels.`, alias);
    const inner = (item: Json): Json => {
      this.count(alias);
      return this.clone(item, depth + 1, alias);
    };
    if (Array.isArray(value)) return value.map(inner);
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) => {
        this.countCopy(key, alias);
        return [key, inner(item)];
      }),
    );
  }

  /** Copies share their text in memory, but not where the document is stored. */
  private countCopy(text: string, alias: ParsedNode): void {
    this.copiedCharacters += text.length;
    if (this.copiedCharacters > this.limits.bytes)
      throw this.refuse(
        'too_large',
        'document_too_large',
        `The aliases of the document copy more than ${this.limits.bytes} characters.`,
        alias,
      );
  }

  private count(node: ParsedNode | null): void {
    if (++this.nodes > this.limits.nodes)
      throw this.refuse('unreadable', 'too_many_nodes', `The document holds more than ${this.limits.nodes} values.`, node);
  }

  private refuse(kind: ErrorKind, code: ErrorCode, message: string, node: ParsedNode | null): EngineError {
    return refusal(kind, code, message, node ? posOf(this.lines, node.range[0]) : {});
  }
}

const isMergeKey = (key: ParsedNode | null): boolean => isScalar(key) && key.type === 'PLAIN' && key.value === '<<';

/** Marks an anchor whose value is still being read. */
const OPEN = Symbol('open');

function posOf(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset);
  return { line: Math.max(line, 1), column: Math.max(col, 1) };
}

function refusal(kind: ErrorKind, code: ErrorCode, message: string, position: Partial<Position> = {}): EngineError {
  return new EngineError(kind, code, message, [{ code, message, ...position }]);
}
