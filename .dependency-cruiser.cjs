// The direction of imports (docs/architecture.md): a request flows one way, and each rule below was seen to catch a planted violation.
const forbid = (name, from, to) => ({ name, severity: 'error', from, to });
module.exports = {
  forbidden: [
    forbid('no-cycles', {}, { circular: true }),
    forbid('no-barrels', { path: '^src/' }, { path: '^src/.+/index\\.ts$' }),
    forbid(
      'engine-is-pure',
      { path: '^src/engine/', pathNot: '\\.spec\\.ts$' },
      { pathNot: '^src/engine/|node_modules/(yaml|semver|re2js|ajv)/' },
    ),
    forbid('step-is-alone', { path: '^src/steps/([^/]+)/' }, { path: '^src/', pathNot: '^src/(engine|outbound|sandbox|sql|steps/$1)/' }),
    forbid('low-rooms', { path: '^src/(outbound|sandbox|sql)/' }, { path: '^src/', pathNot: '^src/(outbound|sandbox|sql|engine|config)/' }),
    forbid('typeorm-in-storage', { path: '^src/', pathNot: '^src/storage/' }, { path: 'node_modules/(typeorm|@nestjs/typeorm)/' }),
    // Some 30 MiB and half a second each: only a playbook that asks such a provider loads its SDK.
    forbid(
      'sdks-load-late',
      { path: '^src/' },
      { path: 'node_modules/(@aws-sdk|@azure|@google-cloud|openai)/', dynamic: false, dependencyTypesNot: ['type-only'] },
    ),
    forbid('storage-is-low', { path: '^src/storage/' }, { path: '^src/', pathNot: '^src/(storage|engine|config)/' }),
    forbid('common-is-low', { path: '^src/common/' }, { path: '^src/', pathNot: '^src/(common|engine|config)/' }),
    forbid('read-side-is-low', { path: '^src/(catalog|status)/' }, { path: '^src/execution/' }),
    forbid(
      'one-door',
      { path: '^src/(catalog|execution|status)/' },
      { path: '^src/(batch|bulk|schedule|experiment|mcp|dashboard|worker)/' },
    ),
    forbid(
      'bulk-is-alone',
      { path: '^src/', pathNot: '^src/(bulk/|app\\.module\\.ts|openapi/api-controllers\\.ts)' },
      { path: '^src/bulk/' },
    ),
    forbid(
      'bulk-looks-down',
      { path: '^src/bulk/' },
      { path: '^src/', pathNot: '^src/(bulk|execution|status|storage|engine|common|config)/' },
    ),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
