// Lets threads run the sources as they are, for tests: Node alone reads no parameter properties of classes.
import { registerHooks } from 'node:module';
import { fileURLToPath } from 'node:url';
import { transformFileSync } from '@swc/core';
import '../typescript-imports.mjs';

const OPTIONS = { swcrc: false, jsc: { parser: { syntax: 'typescript', decorators: true }, target: 'es2024' }, module: { type: 'es6' } };

registerHooks({
  load(url, context, nextLoad) {
    if (!url.endsWith('.ts')) return nextLoad(url, context);
    return { format: 'module', source: transformFileSync(fileURLToPath(url), OPTIONS).code, shortCircuit: true };
  },
});
