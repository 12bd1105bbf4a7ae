/** One row that a statement unnests from its parameters: names as the statement gives them, values as PostgreSQL would read them. */
export type Unnested = Readonly<Record<string, string | null>>;

interface Source {
  readonly names: readonly string[];
  readonly parameters: readonly { readonly index: number; readonly isJsonList: boolean }[];
}

/** What the batch statement says about its parameters and the columns it inserts; read from its text, so that new columns follow by themselves. */
export class StatementColumns {
  private readonly sources: readonly Source[];
  private readonly found = new Map<string, Source>();
  /** What a statement's parameters say is asked several times: for its locks, then for what it does. */
  private readonly read = new WeakMap<readonly string[], Map<Source, readonly Unnested[]>>();
  /** Columns of execution that are inserted as they are unnested. */
  readonly plainColumns: ReadonlyMap<string, string>;

  constructor(text: string) {
    this.sources = [...text.matchAll(/unnest\(((?:[^()]|\([^()]*(?:\([^()]*\)[^()]*)*\))*)\)\s+AS\s+\w+\(([^)]*)\)/g)].map(
      ([, args, names]) => ({
        names: names!.split(',').map((name) => name.trim()),
        parameters: splitList(args!).map((argument) => ({
          index: Number(/\$(\d+)/.exec(argument)?.[1]) - 1,
          isJsonList: argument.includes('string_to_array'),
        })),
      }),
    );
    const insert = /INSERT INTO execution \(([^)]*)\)\s+SELECT ([\s\S]*?)\s+FROM clock/.exec(text);
    if (!insert && text.includes('INTO execution ('))
      throw new Error('the batch statement inserts no executions in a form that the simulation knows');
    const values = splitList(insert?.[2] ?? '');
    this.plainColumns = new Map(
      (insert?.[1] ?? '').split(',').flatMap((column, at) => {
        const plain = /^x\.(\w+)(::\w+)?$/.exec(values[at]!.trim());
        return plain ? [[column.trim(), plain[1]!] as const] : [];
      }),
    );
  }

  /** Rows of the source that has all these columns, the one with the fewest columns where several have. */
  rows(parameters: readonly string[], ...wanted: readonly string[]): readonly Unnested[] {
    const source = this.sourceOf(wanted);
    const known = this.read.get(parameters) ?? new Map<Source, readonly Unnested[]>();
    this.read.set(parameters, known);
    let rows = known.get(source);
    if (rows === undefined) {
      rows = rowsOf(source, parameters);
      known.set(source, rows);
    }
    return rows;
  }

  private sourceOf(wanted: readonly string[]): Source {
    const key = wanted.join();
    let source = this.found.get(key);
    if (source === undefined) {
      [source] = this.sources
        .filter(({ names }) => wanted.every((name) => names.includes(name)))
        .sort((a, b) => a.names.length - b.names.length);
      if (!source) throw new Error(`the batch statement has no source of ${wanted.join(', ')}`);
      this.found.set(key, source);
    }
    return source;
  }
}

function rowsOf(source: Source, parameters: readonly string[]): Unnested[] {
  const columns = source.parameters.map(({ index, isJsonList }) => (isJsonList ? readJsonList : readArray)(parameters[index]!));
  // An empty list of JSON texts and a list of one null look the same: the number of rows is what the arrays say.
  const count = columns.find((_, at) => !source.parameters[at]!.isJsonList)?.length ?? 0;
  return Array.from({ length: count }, (_, row) => Object.fromEntries(source.names.map((name, at) => [name, columns[at]?.[row] ?? null])));
}

/** Splits at the commas that stand in no parentheses. */
function splitList(text: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let from = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '(') depth += 1;
    else if (text[at] === ')') depth -= 1;
    else if (text[at] === ',' && depth === 0) {
      parts.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return [...parts, text.slice(from)];
}

/** An array literal as src/storage/array-parameters.ts writes it. */
export function readArray(literal: string): (string | null)[] {
  const items: (string | null)[] = [];
  for (let at = 1; at < literal.length - 1; at++) {
    if (literal[at] === '"') {
      let text = '';
      for (at += 1; literal[at] !== '"'; at++) {
        if (literal[at] === '\\') at += 1;
        text += literal[at];
      }
      items.push(text);
      at += 1;
    } else {
      const end = literal.indexOf(',', at);
      const item = literal.slice(at, end < 0 ? literal.length - 1 : end);
      items.push(item === 'NULL' ? null : item);
      at = end < 0 ? literal.length : end;
    }
  }
  return items;
}

function readJsonList(list: string): (string | null)[] {
  return list.split('\x1f').map((item) => (item === '' ? null : item));
}
