import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { type StepKind, type StepKinds } from '../engine/step-executor.js';
import { type StepFactory, type StepServices } from '../engine/step-services.js';

const STEP_FILE = /\.step\.(js|ts)$/;

/**
 * Finds the step types: one `<kind>.step.js` in each folder beside this file, whose default export is the kind or makes it
 * from `services`. Throws where a folder has none or two, or a kind that differs from its name.
 */
export async function loadSteps(services: StepServices, folder: string = import.meta.dirname): Promise<StepKinds> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => entry.isDirectory()).map((entry) => entry.name);
  const kinds = await Promise.all(names.sort().map((name) => loadStep(services, folder, name)));
  return new Map(kinds.map((kind) => [kind.kind, kind]));
}

async function loadStep(services: StepServices, folder: string, name: string): Promise<StepKind> {
  const files = (await readdir(join(folder, name))).filter((file) => STEP_FILE.test(file));
  const [file] = files;
  if (!file || files.length > 1) throw new Error(`The step folder ${name} has ${files.length} step files instead of one`);
  const module = (await import(pathToFileURL(join(folder, name, file)).href)) as { default?: StepKind | StepFactory };
  const kind = typeof module.default === 'function' ? module.default(services) : module.default;
  if (kind?.kind !== name) throw new Error(`The step file ${name}/${file} defines the kind ${kind?.kind ?? 'none'} instead of ${name}`);
  return kind;
}
