import './typescript-classes.mjs';

await import('../../../src/catalog/reading-thread.ts');
