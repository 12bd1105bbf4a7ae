import './typescript-classes.mjs';

await import('../../../src/outbound/answer-thread.ts');
