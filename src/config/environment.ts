import { accessSync, constants, realpathSync, statSync } from 'node:fs';
import { delimiter, isAbsolute, join } from 'node:path';

/** The bounds of a number, both included. */
export interface Bounds {
  readonly min: number;
  readonly max: number;
}

/**
 * Reads variables as types. A bad one is noted in `problems` and answered with its default, so that one pass over all
 * settings finds every bad one. A variable set to nothing counts as not set. Values that may hold secrets are never quoted.
 */
export class Environment {
  readonly problems: string[] = [];

  constructor(private readonly variables: Readonly<Record<string, string | undefined>>) {}

  text(name: string): string | null {
    const value = this.variables[name]?.trim();
    return value === undefined || value === '' ? null : value;
  }

  /** The value as it stands, as a list of one; an empty list if it is not set. */
  verbatim(name: string): readonly string[] {
    const value = this.variables[name];
    return value === undefined ? [] : [value];
  }

  /** The values of all variables with this beginning, by the rest of their names. */
  withPrefix(prefix: string): Readonly<Record<string, string>> {
    const found = Object.entries(this.variables).filter((entry): entry is [string, string] => entry[0].startsWith(prefix) && !!entry[1]);
    return Object.freeze(Object.fromEntries(found.map(([name, value]) => [name.slice(prefix.length), value])));
  }

  integer(name: string, standard: number, bounds: Bounds): number {
    return this.parsed(name, /^\d+$/, 'a whole number', standard, bounds);
  }

  number(name: string, standard: number, bounds: Bounds): number {
    return this.parsed(name, /^\d+(?:\.\d+)?$/, 'a number', standard, bounds);
  }

  flag(name: string, standard = false): boolean {
    return this.oneOf(name, ['true', 'false'], standard ? 'true' : 'false') === 'true';
  }

  oneOf<Choice extends string>(name: string, choices: readonly Choice[], standard: Choice): Choice {
    const value = this.text(name);
    if (value === null) return standard;
    const choice = choices.find((candidate) => candidate === value);
    return choice ?? this.refuse(name, `"${value}" is not one of ${choices.join(', ')}`, standard);
  }

  /** A comma list whose every item matches. */
  list(name: string, item: RegExp, what: string): readonly string[] {
    const items = (this.text(name) ?? '')
      .split(',')
      .map((entry) => entry.trim())
      .filter((entry) => entry !== '');
    for (const entry of items) if (!item.test(entry)) this.refuse(name, `"${entry}" is not ${what}`, null);
    return Object.freeze(items.filter((entry) => item.test(entry)));
  }

  url(name: string, protocols: readonly string[]): URL | null {
    const value = this.text(name);
    if (value === null) return null;
    const url = URL.canParse(value) ? new URL(value) : null;
    if (url !== null && url.hostname !== '' && protocols.includes(url.protocol)) return url;
    return this.refuse(name, `is not an address that starts with ${protocols.map((protocol) => `${protocol}//`).join(' or ')}`, null);
  }

  /** The program at this path, or the first with this name on the PATH; null if there is none. */
  program(nameOrPath: string): string | null {
    const candidates = nameOrPath.includes('/')
      ? [nameOrPath]
      : (this.text('PATH') ?? '').split(delimiter).map((folder) => join(folder, nameOrPath));
    return candidates.find((candidate) => isAbsolute(candidate) && isProgram(candidate)) ?? null;
  }

  /** An existing folder, as its real path; null if the variable is not set. */
  folder(name: string): string | null {
    const value = this.text(name);
    if (value === null) return null;
    try {
      if (isAbsolute(value) && statSync(value).isDirectory()) return realpathSync(value);
    } catch {
      // Told below.
    }
    return this.refuse(name, `"${value}" is not the absolute path of a folder`, null);
  }

  /** Runs a parser that throws an Error with a message meant for the operator. */
  parse<Value>(name: string, parser: (text: string) => Value): Value {
    try {
      return parser(this.text(name) ?? '');
    } catch (error) {
      this.problems.push(`${name}: ${(error as Error).message.replace(`${name}: `, '')}`);
      return parser('');
    }
  }

  refuse<Standard>(name: string, message: string, standard: Standard): Standard {
    this.problems.push(`${name}: ${message}`);
    return standard;
  }

  private parsed(name: string, shape: RegExp, what: string, standard: number, { min, max }: Bounds): number {
    const value = this.text(name);
    if (value === null) return standard;
    const number = shape.test(value) ? Number(value) : Number.NaN;
    return number >= min && number <= max ? number : this.refuse(name, `"${value}" is not ${what} from ${min} to ${max}`, standard);
  }
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}
