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
    forbid(
      'step-is-alone',
      { path: '^src/steps/([^/]+)/' },
      { path: '^src/', pathNot: '^src/(engine|outbound|sandbox|sql|mcp-client|steps/$1)/' },
    ),
    forbid(
      'low-rooms',
      { path: '^src/(outbound|sandbox|sql)/' },
      { path: '^src/', pathNot: '^src/(outbound|sandbox|sql|engine|config|threads)/' },
    ),
    forbid('threads-are-lowest', { path: '^src/threads/' }, { path: '^src/', pathNot: '^src/threads/' }),
    forbid('mcp-client-is-low', { path: '^src/mcp-client/' }, { path: '^src/', pathNot: '^src/(mcp-client|outbound|engine|config)/' }),
    forbid(
      'mcp-servers-look-down',
      { path: '^src/mcp-servers/' },
      { path: '^src/', pathNot: '^src/(mcp-servers|mcp-client|outbound|catalog|storage|engine|common|config)/' },
    ),
    forbid('typeorm-in-storage', { path: '^src/', pathNot: '^src/storage/' }, { path: 'node_modules/(typeorm|@nestjs/typeorm)/' }),
    // Some 30 MiB and half a second each: only a playbook that asks such a provider loads its SDK.
    forbid(
      'sdks-load-late',
      { path: '^src/' },
      { path: 'node_modules/(@aws-sdk|@azure|@google-cloud|openai)/', dynamic: false, dependencyTypesNot: ['type-only'] },
    ),
    forbid('storage-is-low', { path: '^src/storage/' }, { path: '^src/', pathNot: '^src/(storage|engine|config)/' }),
    // Rooms of the storage: upkeep, and claiming over batch, over history and connection; what lies beside them is for all, or puts them together.
    forbid(
      'connection-is-lowest',
      { path: '^src/storage/connection/' },
      { path: '^src/storage/(batch|claiming|history|repositories|upkeep)/' },
    ),
    forbid('history-is-low', { path: '^src/storage/history/' }, { path: '^src/storage/(batch|claiming|repositories|upkeep)/' }),
    forbid('batch-looks-down', { path: '^src/storage/batch/' }, { path: '^src/storage/(claiming|repositories|upkeep)/' }),
    forbid('claiming-looks-down', { path: '^src/storage/claiming/' }, { path: '^src/storage/(repositories|upkeep)/' }),
    forbid('upkeep-looks-down', { path: '^src/storage/upkeep/' }, { path: '^src/storage/(batch|claiming|history|repositories)/' }),
    forbid('common-is-low', { path: '^src/common/' }, { path: '^src/', pathNot: '^src/(common|engine|config)/' }),
    forbid('read-side-is-low', { path: '^src/(catalog|status)/' }, { path: '^src/execution/' }),
    forbid(
      'one-door',
      { path: '^src/(catalog|execution|status)/' },
      { path: '^src/(batch|bulk|schedule|experiment|mcp|mcp-servers|dashboard|worker)/' },
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
    forbid(
      'approvals-are-alone',
      { path: '^src/', pathNot: '^src/(approvals/|app\\.module\\.ts|openapi/api-controllers\\.ts)' },
      { path: '^src/approvals/' },
    ),
    forbid(
      'approvals-look-down',
      { path: '^src/approvals/' },
      { path: '^src/', pathNot: '^src/(approvals|status|storage|engine|common|config)/' },
    ),
    forbid('mcp-is-alone', { path: '^src/', pathNot: '^src/(mcp/|app\\.module\\.ts)' }, { path: '^src/mcp/' }),
    forbid(
      'mcp-looks-down',
      { path: '^src/mcp/' },
      { path: '^src/', pathNot: '^src/(mcp|execution|catalog|status|storage|engine|common|config)/' },
    ),
    forbid('mcp-sdk-in-mcp', { path: '^src/', pathNot: '^src/(mcp|mcp-client)/' }, { path: 'node_modules/@modelcontextprotocol/' }),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default', 'types'] },
  },
};
