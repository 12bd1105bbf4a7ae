// DuckDB as if its extension for PostgreSQL were installed: that loads, keeps secrets and attaches what they name without any server.
const { createRequire } = process.getBuiltinModule('node:module');
const duckdb = createRequire(module.filename)('@duckdb/node-api');

const OF_EXTENSION = /^(?:LOAD postgres$|CREATE OR REPLACE TEMPORARY SECRET .* \(TYPE postgres|ATTACH '' AS )/;

async function create(file) {
  const instance = await duckdb.DuckDBInstance.create(file);
  const connect = async () => {
    const connection = await instance.connect();
    const run = connection.run.bind(connection);
    return Object.assign(connection, { run: (text) => (OF_EXTENSION.test(text) ? Promise.resolve() : run(text)) });
  };
  return { connect, closeSync: () => instance.closeSync() };
}

module.exports = { ...duckdb, DuckDBInstance: { create } };
