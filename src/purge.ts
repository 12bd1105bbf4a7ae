import { parseArgs } from 'node:util';
import { ageMs, isPathOrBelow, parseRetention } from './config/retention-rules.js';
import { commandFailure, withDatabase } from './command.js';
import { loadSettings } from './config/settings.js';
import { NoDatabaseError } from './storage/connection/existing-database.js';
import { Purge, type PurgeSelection } from './storage/upkeep/purge.js';
import { selectionsOf } from './storage/upkeep/retention.js';

const USAGE = `npm run purge -- --older-than <duration> [--status completed,failed,cancelled] [--path <path or path/*>] [--tenant <tenant>] [--dry-run]
       npm run purge -- --rules <rules> [--dry-run]
  --older-than   age of the end: 30d, 12h, 90m, PT24H
  --status       which ends; all three by default
  --rules        as in the setting RETENTION: 'completed=30d, failed=90d, billing/*:completed=7d'
  --dry-run      only counts`;
const ENDS = ['completed', 'failed', 'cancelled'] as const;

/** A wrong call; told in one line with the usage, exit code 2. */
class UsageError extends Error {}

interface Call {
  readonly selections: readonly PurgeSelection[];
  readonly dryRun: boolean;
}

function readCall(argv: readonly string[]): Call {
  let values: { 'older-than'?: string; status?: string; path?: string; tenant?: string; rules?: string; 'dry-run'?: boolean };
  try {
    ({ values } = parseArgs({
      args: [...argv],
      options: {
        'older-than': { type: 'string' },
        status: { type: 'string' },
        path: { type: 'string' },
        tenant: { type: 'string' },
        rules: { type: 'string' },
        'dry-run': { type: 'boolean' },
      },
    }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  const { rules, 'dry-run': dryRun = false, ...choice } = values;
  if (rules === undefined) return { selections: [selectionOf(choice)], dryRun };
  if (Object.keys(choice).length > 0) throw new UsageError('--rules say which executions go; only --dry-run goes with them');
  const problems: string[] = [];
  const selections = selectionsOf(parseRetention(rules, (message) => problems.push(message)));
  if (problems.length > 0) throw new UsageError(`--rules: ${problems.join('; ')}`);
  return { selections, dryRun };
}

function selectionOf(choice: { 'older-than'?: string; status?: string; path?: string; tenant?: string }): PurgeSelection {
  const olderThanMs = ageMs(choice['older-than'] ?? '');
  if (olderThanMs === undefined) throw new UsageError('--older-than needs a duration with a unit, such as 30d');
  if (choice.path !== undefined && !isPathOrBelow(choice.path))
    throw new UsageError(`--path needs a path of the catalog, or one with a trailing /*, not ${choice.path}`);
  const statuses = (choice.status ?? ENDS.join(',')).split(',').map((word) => {
    const status = ENDS.find((each) => each === word.trim());
    if (!status) throw new UsageError(`--status knows ${ENDS.join(', ')}, not ${word}`);
    return status;
  });
  return { olderThanMs, statuses, path: choice.path ?? null, tenantId: choice.tenant ?? null };
}

async function main(): Promise<void> {
  const { selections, dryRun } = readCall(process.argv.slice(2));
  await withDatabase(loadSettings(process.env), async (db) => {
    const purge = new Purge(db);
    if (dryRun) return say(`${await countAll(purge, selections)} executions would be removed`);
    let removed = 0;
    for (const selection of selections) removed += await removeAll(purge, selection);
    say(`${removed} executions removed`);
  });
}

async function countAll(purge: Purge, selections: readonly PurgeSelection[]): Promise<number> {
  let count = 0;
  for (const selection of selections) count += await purge.count(selection);
  return count;
}

async function removeAll(purge: Purge, selection: PurgeSelection): Promise<number> {
  let removed = 0;
  for await (const { executions, partitions } of purge.run(selection)) {
    if (executions > removed) say(`${executions} executions removed ...`);
    removed = executions;
    for (const partition of partitions) say(`partition ${partition} dropped`);
  }
  return removed;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

main().catch((error: unknown) => {
  const isUsage = error instanceof UsageError || error instanceof NoDatabaseError;
  process.stderr.write(isUsage ? `purge: ${error.message}\n${USAGE}\n` : `${commandFailure(error)}\n`);
  process.exit(isUsage ? 2 : 1);
});
