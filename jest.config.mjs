import { availableParallelism } from 'node:os';

const common = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: {
    '^\\./(answer|masking|reading)-thread-program\\.js$': '<rootDir>/test/support/threads/$1.ts',
    '^(\\.{1,2}/.*)\\.js$': '$1',
  },
  transform: {
    '^.+\\.ts$': [
      '@swc/jest',
      {
        jsc: {
          parser: { syntax: 'typescript', decorators: true },
          transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
          target: 'es2024',
        },
        module: { type: 'es6' },
        sourceMaps: 'inline',
      },
    ],
  },
};
const project = (displayName, roots) => ({ ...common, displayName, roots });
// One database server for the whole run: jest calls a setup that several projects name once, and not at all for the unit tests alone.
const database = { globalSetup: '<rootDir>/test/support/global-setup.mjs', globalTeardown: '<rootDir>/test/support/global-teardown.mjs' };

export default {
  projects: [
    { ...project('unit', ['<rootDir>/src']), testMatch: ['**/*.spec.ts'] },
    { ...project('simulation', ['<rootDir>/test/simulation']), testMatch: ['**/*.spec.ts'] },
    ...['scenarios', 'storage', 'api', 'contract'].map((suite) => ({
      ...project(suite, [`<rootDir>/test/${suite}`]),
      ...database,
      testMatch: ['**/*.spec.ts'],
    })),
  ],
  testTimeout: 60_000,
  // Jest leaves one core to itself, and would run the tests on the other one of two; but they wait for databases and processes most of the time.
  maxWorkers: Math.max(2, availableParallelism() - 1),
  // A worker that keeps more than this of the files it ran is replaced by a fresh one.
  workerIdleMemoryLimit: '1GB',
  testSequencer: '<rootDir>/test/support/longest-first.mjs',
};
