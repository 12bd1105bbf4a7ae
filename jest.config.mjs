const common = {
  testEnvironment: 'node',
  extensionsToTreatAsEsm: ['.ts'],
  moduleNameMapper: { '^(\\.{1,2}/.*)\\.js$': '$1' },
  transform: {
    '^.+\\.ts$': ['@swc/jest', {
      jsc: {
        parser: { syntax: 'typescript', decorators: true },
        transform: { legacyDecorator: true, decoratorMetadata: true, useDefineForClassFields: false },
        target: 'es2024',
      },
      module: { type: 'es6' },
      sourceMaps: 'inline',
    }],
  },
};
const project = (displayName, roots) => ({ ...common, displayName, roots });

export default {
  projects: [
    { ...project('unit', ['<rootDir>/src']), testMatch: ['**/*.spec.ts'] },
    ...['scenarios', 'storage', 'api', 'contract'].map((suite) => ({ ...project(suite, [`<rootDir>/test/${suite}`]), testMatch: ['**/*.spec.ts'] })),
  ],
  testTimeout: 60_000,
};
