import { type EntityManager } from 'typeorm';
import { EngineError } from '../engine/engine-error.js';
import { type Playbook } from '../engine/playbook/playbook.js';
import { HEAD_FORM, headContentOf, type HeadContent } from './entry-card.js';
import { sqlStateOf } from './connection/sql-state.js';
import { generatedToolNames, isReservedToolName } from './tool-names.js';

const UNIQUE_VIOLATION = '23505';

/** The order is that of resolution for `latest`: state, release before pre-release, then the version. */
export const LATEST_FIRST = `status = 'deprecated', version_prerelease COLLATE "C" <> '~', version_major DESC, version_minor DESC, version_patch DESC,
  version_prerelease COLLATE "C" DESC`;

const LATEST = `
  SELECT id, name, kind, version, normalised::text AS normalised
  FROM playbook
  WHERE tenant_id = $1 AND path = $2 AND status IN ('active', 'deprecated') AND strpos(path, '/@inline/') = 0
  ORDER BY ${LATEST_FIRST}
  LIMIT 1`;

const SAVE = `
  INSERT INTO catalog_head (tenant_id, path, entry_id, kind, version, tool_name, named_by_author, exposed, uri, card, search_text, search_words, form)
  VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11,
    setweight(to_tsvector('simple', $12), 'A') || setweight(to_tsvector('english', $12), 'B') || setweight(to_tsvector('english', $13), 'C'), $14)
  ON CONFLICT (tenant_id, path) DO UPDATE SET entry_id = excluded.entry_id, kind = excluded.kind, version = excluded.version,
    tool_name = excluded.tool_name, named_by_author = excluded.named_by_author, exposed = excluded.exposed, uri = excluded.uri, card = excluded.card,
    search_text = excluded.search_text, search_words = excluded.search_words, form = excluded.form`;

interface LatestRow {
  readonly id: string;
  readonly name: string;
  readonly kind: string;
  readonly version: string;
  readonly normalised: string;
}

interface KnownRow {
  readonly entryId: string;
  readonly toolName: string;
  readonly namedByAuthor: boolean;
  readonly form: number;
}

/**
 * Brings the head of a path up to date, inside a transaction that holds the lock of the path. A name that was given stays for ever, unless the
 * author asks for another.
 * @param onClash what happens where the name that the author wants is another's: refuse, or generate one
 * @throws EngineError `tool_name_taken`
 */
export async function refreshHead(tx: EntityManager, tenantId: string, path: string, onClash: 'refuse' | 'generate'): Promise<void> {
  const [latest] = await tx.query<LatestRow[]>(LATEST, [tenantId, path]);
  if (!latest) {
    await tx.query('DELETE FROM catalog_head WHERE tenant_id = $1 AND path = $2', [tenantId, path]);
    return;
  }
  const [known] = await tx.query<KnownRow[]>(
    `SELECT entry_id AS "entryId", tool_name AS "toolName", named_by_author AS "namedByAuthor", form FROM catalog_head WHERE tenant_id = $1 AND path = $2`,
    [tenantId, path],
  );
  if (known?.entryId === latest.id && known.form === HEAD_FORM) return;
  const content = headContentOf(JSON.parse(latest.normalised) as Playbook);
  for (const candidate of candidatesFor(path, content, known, onClash)) {
    if (await save(tx, tenantId, path, latest, content, candidate)) return;
    if (candidate.byAuthor && onClash === 'refuse') throw taken(candidate.name);
  }
  throw new Error(`no tool name is free for ${path}`); // the last candidate has a hash of the path
}

interface Candidate {
  readonly name: string;
  readonly byAuthor: boolean;
}

function candidatesFor(path: string, { toolName }: HeadContent, known: KnownRow | undefined, onClash: 'refuse' | 'generate'): Candidate[] {
  const candidates: Candidate[] = [];
  if (toolName !== null) {
    if (!isReservedToolName(toolName)) candidates.push({ name: toolName, byAuthor: true });
    else if (onClash === 'refuse') throw taken(toolName);
  }
  if (known && !known.namedByAuthor) candidates.push({ name: known.toolName, byAuthor: false });
  return [...candidates, ...generatedToolNames(path).map((name) => ({ name, byAuthor: false }))];
}

/** False where another path has the name. */
async function save(
  tx: EntityManager,
  tenantId: string,
  path: string,
  latest: LatestRow,
  { card, exposed, uri }: HeadContent,
  { name, byAuthor }: Candidate,
): Promise<boolean> {
  const names = [path, latest.name, card.title, name].filter((text) => text !== null).join(' ');
  const description = card.description ?? '';
  const words = names.replace(/[^\p{L}\p{N}]+/gu, ' ');
  const row = [tenantId, path, latest.id, latest.kind, latest.version, name, byAuthor, [...exposed], uri, card];
  try {
    // A savepoint: the transaction goes on after a refusal.
    await tx.transaction((inner) => inner.query(SAVE, [...row, `${names} ${description}`, words, description, HEAD_FORM]));
    return true;
  } catch (error) {
    if (sqlStateOf(error) === UNIQUE_VIOLATION) return false;
    throw error;
  }
}

function taken(name: string): EngineError {
  const message = `The tool name ${name} belongs to another entry of the catalog, or to the service itself. Give this one another mcp.tool_name.`;
  return new EngineError('conflict', 'tool_name_taken', message, [{ code: 'tool_name_taken', pointer: '/content', message }]);
}
