import './typescript-classes.mjs';

await import('../../../src/status/masking-thread.ts');
