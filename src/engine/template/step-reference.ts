import { isObject, type Json, type JsonObject, own } from '../values.js';
import { isRefusedName, itemOf } from './access.js';
import { TemplateReference } from './scope.js';

/** How a step ended, as far as templates can ask. */
export interface StepOutcome {
  readonly status: 'success' | 'error' | 'skipped';
  readonly error: string | null;
  readonly meta: Json;
  /** Other names of keys of the value, e.g. body -> data of http, and names of what a function finds in it. */
  readonly aliases?: Readonly<Record<string, string | ((value: Json) => Json | undefined)>>;
  /** Of an iterator: its results in order, the failures among them, and the position of the item being worked on. */
  readonly iterator?: { readonly results: Json[]; readonly errors?: Json[]; readonly resultIndex?: number };
}

/** Keys that mean the value itself where it has no such key; documents use them interchangeably. */
const SELF: ReadonlySet<string> = new Set(['result', 'data', 'value']);

/** `{{ step }}` and all that hangs on it: the tolerant addressing of playbook-language §3.1, rules in order. */
export class StepReference extends TemplateReference {
  constructor(
    private readonly value: Json | undefined,
    private readonly outcome: StepOutcome,
  ) {
    super();
  }

  get(key: string | number): unknown {
    if (typeof key === 'number') return this.at(key);
    if (isRefusedName(key)) return undefined;
    const found = this.ofValue(key);
    if (found !== undefined) return found;
    const ofOutcome = this.ofOutcome(key);
    return ofOutcome === undefined ? this.ofIterator(key) : ofOutcome;
  }

  unwrap(): Json {
    return this.value ?? null;
  }

  /** An item of a list or a character of a text; of a mapping that has rows, one of these. */
  private at(position: number): unknown {
    const { value } = this;
    if (!isObject(value)) return itemOf(value, position);
    const rows = this.ofAlias('rows');
    return Array.isArray(rows) ? subscript(rows as Json[], position) : undefined;
  }

  /** Rules 1 to 3: own keys, the value itself, inside an inner envelope. */
  private ofValue(key: string): unknown {
    const { value } = this;
    const found = ownOf(value, key);
    if (found !== undefined) return reached(key, found);
    const aliased = this.ofAlias(key);
    if (aliased !== undefined) return aliased;
    if (SELF.has(key)) return this;
    if (!isObject(value) || !Object.hasOwn(value, 'status')) return undefined;
    return ownOf(own(value, 'data'), key);
  }

  private ofAlias(key: string): unknown {
    const { aliases } = this.outcome;
    const alias = aliases !== undefined && Object.hasOwn(aliases, key) ? aliases[key] : undefined;
    if (typeof alias !== 'function') return alias === undefined ? undefined : this.get(alias);
    return this.value === undefined ? undefined : alias(this.value);
  }

  /** Rule 4. */
  private ofOutcome(key: string): unknown {
    if (key === 'status') return this.outcome.status;
    if (key === 'error') return this.outcome.error;
    if (key === 'meta') return this.outcome.meta;
    return undefined;
  }

  /** Rule 5. */
  private ofIterator(key: string): unknown {
    const { iterator } = this.outcome;
    if (iterator === undefined) return undefined;
    switch (key) {
      case 'results':
      case 'items':
        return iterator.results;
      case 'count':
      case 'size':
        return iterator.results.length;
      case 'errors':
        return iterator.errors ?? [];
      case 'result_index':
        return iterator.resultIndex;
      default:
        return undefined;
    }
  }
}

/** A mapping reached through data or result: there these keys mean the mapping itself again, unless it has them. */
class ChainedMapping extends TemplateReference {
  constructor(private readonly mapping: JsonObject) {
    super();
  }

  get(key: string | number): unknown {
    if (typeof key === 'number') return undefined;
    const found = ownOf(this.mapping, key);
    if (found !== undefined) return reached(key, found);
    return SELF.has(key) ? this : undefined;
  }

  unwrap(): Json {
    return this.mapping;
  }
}

/** Rule 6: the result of an SQL statement answers integer subscripts with its rows. */
class StatementResult extends TemplateReference {
  constructor(private readonly mapping: JsonObject) {
    super();
  }

  get(key: string | number): unknown {
    return typeof key === 'number' ? subscript(own(this.mapping, 'rows'), key) : ownOf(this.mapping, key);
  }

  unwrap(): Json {
    return this.mapping;
  }
}

function reached(key: string, found: Json): unknown {
  if (!isObject(found)) return found;
  if (SELF.has(key)) return new ChainedMapping(found);
  return /^command_\d{1,6}$/.test(key) ? new StatementResult(found) : found;
}

function ownOf(value: Json | undefined, key: string): Json | undefined {
  return isObject(value) && !isRefusedName(key) ? own(value, key) : undefined;
}

function subscript(value: Json | undefined, index: number): Json | undefined {
  return Array.isArray(value) ? value[index < 0 ? value.length + index : index] : undefined;
}
