import { type DataSource } from 'typeorm';
import { type Log } from '../log.js';

interface Durability {
  readonly fsync: string;
  readonly commit: string;
  readonly standbys: string;
  readonly replicas: number;
}

/** Roles without pg_read_all_stats see that replicas are there, but not whether they are synchronous; the setting says that as well. */
const ASK = `
  SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS commit,
    current_setting('synchronous_standby_names') AS standbys, (SELECT count(*)::int FROM pg_stat_replication) AS replicas`;

/** Commit modes that wait for no standby. */
const LOCAL = new Set(['off', 'local']);

/** Says where the database is set up to lose what was acknowledged (C1). Never rejects: whether the service may run so is the operator's choice. */
export async function checkDurability(db: DataSource, log: Log): Promise<void> {
  try {
    const [found] = await db.query<Durability[]>(ASK);
    if (found === undefined) return;
    const { fsync, commit, standbys, replicas } = found;
    if (fsync === 'off' || commit === 'off') {
      log.error(
        { fsync, synchronousCommit: commit },
        'the database does not wait for its disk: a crash of it loses executions that were acknowledged',
      );
    }
    if (replicas > 0 && (standbys === '' || LOCAL.has(commit))) {
      log.warn(
        { replicas, synchronousCommit: commit },
        'no replica is synchronous: a failover loses up to the replication lag of what was acknowledged',
      );
    }
  } catch (error) {
    log.warn({ err: error }, 'whether the database is durable could not be found out');
  }
}
