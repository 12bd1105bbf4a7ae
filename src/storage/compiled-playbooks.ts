import { Inject, Injectable } from '@nestjs/common';
import { EngineError } from '../engine/engine-error.js';
import { compileInParts } from '../engine/playbook/compile.js';
import { type CompiledPlaybook } from '../engine/playbook/compiled.js';
import { type Playbook } from '../engine/playbook/playbook.js';
import { type StepKinds } from '../engine/step-executor.js';
import { inSlices } from './in-slices.js';
import { LruMap } from './lru-map.js';
import { PlaybookRepository } from './repositories/playbook.repository.js';

/** The step types of this node, for the constructor of whoever compiles. */
export const STEP_KINDS = Symbol('STEP_KINDS');

/** Characters of JSON whose compiled forms are kept: about 3,000 usual playbooks; the compiled form takes some ten times the room. */
const CAPACITY = 16 * 1024 * 1024;

/** Entries never change, so what was compiled once is right for ever; the catalog's door and the worker share it. */
@Injectable()
export class CompiledPlaybooks {
  private ready = new LruMap<string, CompiledPlaybook>(CAPACITY);
  private loading = new Map<string, Promise<CompiledPlaybook>>();

  constructor(
    private readonly playbooks: PlaybookRepository,
    @Inject(STEP_KINDS) private readonly kinds: StepKinds,
  ) {}

  /** The compiled form if it is in memory: for hot paths, which must not wait a turn for what is there. */
  compiledSync(tenantId: string, id: string): CompiledPlaybook | null {
    return this.ready.get(keyOf(tenantId, id)) ?? null;
  }

  /**
   * The compiled form of an entry, read and compiled at most once at a time.
   * @throws EngineError `unknown_playbook`, or `invalid_document` where this build refuses what an older one took
   */
  async compiled(tenantId: string, id: string): Promise<CompiledPlaybook> {
    const key = keyOf(tenantId, id);
    const known = this.ready.get(key) ?? this.loading.get(key);
    if (known) return known;
    const { loading: all, ready } = this;
    const loading = this.load(tenantId, id, ready).finally(() => all.delete(key));
    all.set(key, loading);
    return loading;
  }

  /** The database is another one: the same ids may mean other entries there. */
  forgetAll(): void {
    this.ready = new LruMap(CAPACITY);
    this.loading = new Map();
  }

  /** Takes over what a registration has compiled already. @param size characters of the document */
  keep(tenantId: string, id: string, compiled: CompiledPlaybook, size: number): void {
    this.ready.set(keyOf(tenantId, id), compiled, size);
  }

  private async load(tenantId: string, id: string, ready: LruMap<string, CompiledPlaybook>): Promise<CompiledPlaybook> {
    const stored = await this.playbooks.normalisedById(tenantId, id);
    if (!stored) throw new EngineError('not_found', 'unknown_playbook', `There is no catalog entry ${id}.`);
    const compiled = await this.compile(id, stored.playbook);
    ready.set(keyOf(tenantId, id), compiled, stored.size);
    return compiled;
  }

  private async compile(id: string, playbook: Playbook): Promise<CompiledPlaybook> {
    try {
      return await inSlices(compileInParts(playbook, this.kinds));
    } catch (error) {
      if (error instanceof EngineError) throw error;
      // What registration let pass compiles; this row was damaged since, and no repetition helps.
      throw new EngineError('invalid', 'invalid_document', `The stored form of catalog entry ${id} cannot be used.`, [], { cause: error });
    }
  }
}

function keyOf(tenantId: string, id: string): string {
  return `${tenantId}\n${id}`;
}
