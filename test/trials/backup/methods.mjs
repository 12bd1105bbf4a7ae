import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import pg from 'pg';
import { give, PlainServer, tool, toolMeanwhile } from './servers.mjs';

/**
 * Ways to take a backup of a server that works, and to make a server of it. `take` begins while clients and nodes go on; `restore` may wait until
 * all of them are gone.
 * @typedef {{ take(source: object, folder: string): Promise<void>, restore(source: object, folder: string): Promise<PlainServer> }} Method
 */

/** The documented low-level way: pg_backup_start, a copy of the files while they change, pg_backup_stop, and the log that was written meanwhile. */
export const COPY = {
  take: async ({ database }, folder) => {
    mkdirSync(folder, { mode: 0o700 });
    const client = new pg.Client({ connectionString: database.url, application_name: 'trial' });
    await client.connect();
    try {
      await client.query(`SELECT pg_backup_start('trial', true)`);
      // Files may go while they are copied; that is allowed.
      await toolMeanwhile('cp', ['-a', `${database.data}/.`, folder]);
      const { rows } = await client.query(`SELECT labelfile FROM pg_backup_stop(false)`);
      writeFileSync(join(folder, 'backup_label'), rows[0].labelfile);
      rmSync(join(folder, 'pg_wal'), { recursive: true });
      await toolMeanwhile('cp', ['-a', join(database.data, 'pg_wal'), folder]);
    } finally {
      await client.end();
    }
    for (const name of ['postmaster.pid', 'postmaster.opts']) rmSync(join(folder, name), { force: true });
  },
  restore: restoreFiles,
};

/** pg_basebackup, with the log streamed beside it. */
export const BASE_BACKUP = {
  take: async ({ database, bin }, folder) => {
    const { code, said } = await toolMeanwhile(join(bin, 'pg_basebackup'), ['-D', folder, '-X', 'stream', '-c', 'fast'], {
      env: database.environment,
    });
    if (code !== 0) throw new Error(`pg_basebackup ended with ${code}: ${said}`);
  },
  restore: restoreFiles,
};

/** pg_dump, restored into an empty cluster: another system identifier. */
export const DUMP = {
  take: async ({ database, bin }, folder) => {
    const { code, said } = await toolMeanwhile(join(bin, 'pg_dump'), ['-Fc', '-f', folder, 'showrunner'], { env: database.environment });
    if (code !== 0) throw new Error(`pg_dump ended with ${code}: ${said}`);
  },
  restore: async ({ bin, user }, folder) => {
    const server = await PlainServer.create({ bin, data: `${folder}.restored`, user });
    try {
      tool(join(bin, 'pg_restore'), ['--exit-on-error', '-d', 'showrunner', folder], { env: server.environment });
    } catch (error) {
      await server.stop();
      throw error;
    }
    return server;
  },
};

/** Recovers to the end of the log that is there, and begins a new timeline. */
async function restoreFiles({ bin, user, password }, folder) {
  writeFileSync(join(folder, 'recovery.signal'), '');
  give(folder, user);
  return await PlainServer.start({ bin, data: folder, user, password, settings: { restore_command: 'false' } });
}
