import { type CompiledPlaybook } from '../playbook/compiled.js';
import { isLateTemplate } from '../playbook/workload-templates.js';
import { itemOf, settled } from '../template/access.js';
import { type Rendering } from '../template/rendering.js';
import { type Scope, TemplateReference } from '../template/scope.js';
import { type Template } from '../template/template.js';
import { isObject, type Json, type JsonObject, own } from '../values.js';

/**
 * Lays the caller's parameters over the document's workload (playbook language §4.1): shallow, or deep with `merge`
 * (mappings recursively; lists and scalars, null included, replace). Neither drops keys of the base.
 */
export function mergeWorkload(base: JsonObject, parameters: JsonObject, merge: boolean): JsonObject {
  if (Object.keys(parameters).length === 0) return base;
  const merged: JsonObject = { ...base };
  for (const [key, value] of Object.entries(parameters)) {
    const below = Object.hasOwn(merged, key) ? merged[key]! : null;
    merged[key] = merge && isObject(below) && isObject(value) ? mergeWorkload(below, value, true) : value;
  }
  return merged;
}

/**
 * The workload of a new run. Strings of the document are rendered once, each after those of the workload that it needs; what
 * needs something not known yet keeps its text and is rendered on use; what the caller sent is data and never rendered.
 * @returns null where the workload is the plain merge, which a claim can compute again from entry and parameters.
 */
export function renderWorkload(
  playbook: CompiledPlaybook,
  parameters: JsonObject,
  merge: boolean,
  run: { executionId: string; env: Readonly<Record<string, string>> },
  rendering: Rendering,
): JsonObject | null {
  if (playbook.plainWorkload) return null;
  const merged = mergeWorkload(playbook.playbook.workload, parameters, merge);
  const known: Record<string, unknown> = {
    execution_id: run.executionId,
    job: { id: run.executionId, uuid: run.executionId, execution_id: run.executionId },
    env: { ...run.env },
  };
  const scope = { lookup: (name: string): unknown => (Object.hasOwn(known, name) ? known[name] : undefined) };
  const whole = wholeOf(playbook, merged, parameters, new WorkloadTexts(scope, rendering, (template) => !isLateTemplate(template)));
  known['workload'] = whole;
  return whole.unwrap() as JsonObject;
}

/** The workload as templates of steps see it: what has kept its text is rendered in their scope, when it is asked for. */
export function workloadOnUse(
  playbook: CompiledPlaybook,
  workload: JsonObject,
  parameters: JsonObject,
  scope: Scope,
  rendering: Rendering,
): TemplateReference {
  return wholeOf(playbook, workload, parameters, new WorkloadTexts(scope, rendering, () => true));
}

function wholeOf(playbook: CompiledPlaybook, value: JsonObject, given: JsonObject, texts: WorkloadTexts): WorkloadPart {
  return new WorkloadPart({ value, document: playbook.playbook.workload, given, path: '' }, playbook.workloadTemplates, texts);
}

/** Renders the texts of one workload, each once, in the order in which they need each other. */
class WorkloadTexts {
  private readonly rendered = new Map<string, Json>();
  private readonly begun = new Set<string>();
  /** The text being rendered needs one that cannot be rendered yet. */
  private needsLate = false;

  constructor(
    private readonly scope: Scope,
    private readonly rendering: Rendering,
    private readonly isKnown: (template: Template) => boolean,
  ) {}

  /** Texts that need themselves, or what is not known yet, stay as they are. */
  render(template: Template, path: string): Json {
    const before = this.rendered.get(path);
    if (before !== undefined) return before;
    if (this.begun.has(path) || !this.isKnown(template)) {
      this.needsLate = true;
      return template.source;
    }
    this.begun.add(path);
    const outer = this.needsLate;
    this.needsLate = false;
    const value = template.render(this.scope, this.rendering);
    if (this.needsLate) return template.source;
    this.needsLate = outer;
    this.rendered.set(path, value);
    return value;
  }
}

/** A mapping or list of the workload, what the document says in its place, and what the caller gave for it. */
interface Place {
  readonly value: JsonObject | readonly Json[];
  readonly document: Json;
  /** undefined: nothing. */
  readonly given: Json | undefined;
  readonly path: string;
}

class WorkloadPart extends TemplateReference {
  constructor(
    private readonly place: Place,
    private readonly templates: CompiledPlaybook['workloadTemplates'],
    private readonly texts: WorkloadTexts,
  ) {
    super();
  }

  get(key: string | number): unknown {
    const { value } = this.place;
    return this.at(Array.isArray(value) && typeof key === 'number' && key < 0 ? value.length + key : key);
  }

  unwrap(): Json {
    const { value } = this.place;
    if (Array.isArray(value)) return value.map((_, index) => settled(this.at(index)) as Json);
    return Object.fromEntries(Object.keys(value).map((key) => [key, settled(this.at(key)) as Json]));
  }

  private at(key: string | number): unknown {
    const { value, document, given, path } = this.place;
    const found = itemOf(value, key) as Json | undefined;
    const written = itemOf(document, key) as Json | undefined;
    // A list or scalar of the caller stands for all that is below it.
    const sent = isObject(given) ? own(given, String(key)) : given;
    if (found === undefined || written === undefined || (sent !== undefined && !isObject(sent))) return found;
    const place = `${path}/${key}`;
    if (typeof found === 'string') {
      const template = found === written ? this.templates.get(found) : undefined;
      return template ? this.texts.render(template, place) : found;
    }
    if (typeof found !== 'object' || found === null) return found;
    return new WorkloadPart({ value: found, document: written, given: sent, path: place }, this.templates, this.texts);
  }
}
