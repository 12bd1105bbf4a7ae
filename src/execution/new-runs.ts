import { Injectable } from '@nestjs/common';
import { type ResolvedEntry } from '../catalog/catalog.service.js';
import { Settings } from '../config/settings.js';
import { EngineError } from '../engine/engine-error.js';
import { type CompiledPlaybook } from '../engine/playbook/compiled.js';
import { executionTypeOf } from '../engine/playbook/execution-types.js';
import { type NewRun } from '../engine/ports.js';
import { renderWorkload } from '../engine/run/workload.js';
import { Rendering } from '../engine/template/rendering.js';
import { TemplateError } from '../engine/template/template.js';
import { IdMint } from '../storage/ids.js';

/** What a new run has that its entry does not say. */
export type OwnPart = Omit<
  NewRun,
  'catalogId' | 'path' | 'playbookName' | 'version' | 'shownVersion' | 'requestedVersion' | 'executionType' | 'digest' | 'workload'
>;

/** Makes runs of resolved entries, started or called ones alike. */
@Injectable()
export class NewRuns {
  constructor(
    private readonly settings: Settings,
    private readonly ids: IdMint,
  ) {}

  /** @throws EngineError what rendering the workload throws */
  make({ entry, shownVersion, requestedVersion }: ResolvedEntry, playbook: CompiledPlaybook, own: OwnPart): NewRun {
    return {
      ...own,
      catalogId: entry.id,
      path: entry.path,
      playbookName: entry.name,
      version: entry.version,
      shownVersion,
      requestedVersion,
      executionType: executionTypeOf(entry.kind),
      digest: entry.digest,
      workload: this.workloadOf(playbook, own),
    };
  }

  private workloadOf(playbook: CompiledPlaybook, { id, parameters, merge }: OwnPart): NewRun['workload'] {
    if (playbook.plainWorkload) return null;
    const rendering = new Rendering({
      now: new Date().toISOString(),
      random: Math.random,
      nextId: () => this.ids.next(),
      monotonic: () => performance.now(),
    });
    try {
      return renderWorkload(playbook, parameters, merge, { executionId: id, env: this.settings.templateEnv }, rendering);
    } catch (error) {
      if (error instanceof TemplateError) throw new EngineError('invalid', error.code, `The workload cannot be rendered: ${error.message}`);
      throw error;
    }
  }
}
