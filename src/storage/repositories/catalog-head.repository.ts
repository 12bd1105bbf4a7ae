import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { lockPath } from '../catalog-changes.js';
import { LATEST_FIRST, refreshHead } from '../catalog-heads.js';
import { EngineError } from '../../engine/engine-error.js';
import { type Playbook } from '../../engine/playbook/playbook.js';
import { type EntryCard, HEAD_FORM, headContentOf } from '../entry-card.js';

/** The entry that `latest` means of one path. */
export interface CatalogHead {
  readonly path: string;
  readonly entryId: string;
  readonly kind: string;
  readonly version: string;
  readonly toolName: string;
  readonly exposed: readonly string[];
  readonly uri: string | null;
  readonly card: EntryCard;
}

export interface HeadFilter {
  /** Kinds as documents write them. */
  readonly kinds: readonly string[];
  /** Name of a list; null: whatever it is on. */
  readonly exposedOn: string | null;
}

const COLUMNS = `path, entry_id AS "entryId", kind, version, tool_name AS "toolName", exposed, uri, card`;

const REPAIR_BATCH = 200;
/** Words of a search that are looked for; a longer text says no more. */
const MAX_WORDS = 16;

/** Reads what `latest` means of every path; pages are by key and in the order of tool names. */
@Injectable()
export class CatalogHeadRepository {
  constructor(private readonly db: DataSource) {}

  /** @param after tool name of the last one already seen; null = from the first */
  async page(tenantId: string, { kinds, exposedOn }: HeadFilter, after: string | null, limit: number): Promise<readonly CatalogHead[]> {
    const values: unknown[] = [tenantId, kinds, after, limit];
    // Only where a list is asked for: the index of those on lists is then the way.
    const onList = exposedOn === null ? '' : `AND exposed <> '{}' AND $${values.push(exposedOn)} = ANY(exposed)`;
    return this.db.query<CatalogHead[]>(
      `SELECT ${COLUMNS} FROM catalog_head
       WHERE tenant_id = $1 AND kind = ANY($2::text[]) AND ($3::text IS NULL OR tool_name > $3) ${onList}
       ORDER BY tool_name LIMIT $4`,
      values,
    );
  }

  async byToolName(tenantId: string, toolName: string): Promise<CatalogHead | null> {
    const found = await this.db.query<CatalogHead[]>(`SELECT ${COLUMNS} FROM catalog_head WHERE tenant_id = $1 AND tool_name = $2`, [
      tenantId,
      toolName,
    ]);
    return found[0] ?? null;
  }

  async byPath(tenantId: string, path: string): Promise<CatalogHead | null> {
    const found = await this.db.query<CatalogHead[]>(`SELECT ${COLUMNS} FROM catalog_head WHERE tenant_id = $1 AND path = $2`, [
      tenantId,
      path,
    ]);
    return found[0] ?? null;
  }

  /** What is shown of any version of an entry. @throws EngineError `unknown_playbook` */
  async cardOf(tenantId: string, entryId: string): Promise<EntryCard> {
    const [head] = await this.db.query<{ card: EntryCard }[]>(
      `SELECT head.card FROM playbook entry JOIN catalog_head head USING (tenant_id, path)
       WHERE entry.tenant_id = $1 AND entry.id = $2 AND head.entry_id = entry.id AND head.form = $3`,
      [tenantId, entryId, HEAD_FORM],
    );
    if (head) return head.card;
    const [row] = await this.db.query<{ normalised: string }[]>(
      'SELECT normalised::text AS normalised FROM playbook WHERE tenant_id = $1 AND id = $2',
      [tenantId, entryId],
    );
    if (!row) throw new EngineError('not_found', 'unknown_playbook', `There is no catalog entry "${entryId}".`);
    return headContentOf(JSON.parse(row.normalised) as Playbook).card;
  }

  /** The resource of exactly this URI; the first by name where several claim it. */
  async byUri(tenantId: string, uri: string): Promise<CatalogHead | null> {
    const found = await this.db.query<CatalogHead[]>(
      `SELECT ${COLUMNS} FROM catalog_head WHERE tenant_id = $1 AND uri = $2 AND kind = 'Resource' ORDER BY tool_name LIMIT 1`,
      [tenantId, uri],
    );
    return found[0] ?? null;
  }

  /** Resources by whether their URI is a template (RFC 6570), as `page`. */
  async resources(tenantId: string, templates: boolean, after: string | null, limit: number): Promise<readonly CatalogHead[]> {
    return this.db.query<CatalogHead[]>(
      `SELECT ${COLUMNS} FROM catalog_head
       WHERE tenant_id = $1 AND kind = 'Resource' AND uri IS NOT NULL AND (uri LIKE '%{%') = $2 AND ($3::text IS NULL OR tool_name > $3)
       ORDER BY tool_name LIMIT $4`,
      [tenantId, templates, after, limit],
    );
  }

  /** Paths that begin with a text, in their order. */
  async pathsFrom(tenantId: string, prefix: string, limit: number): Promise<readonly string[]> {
    const rows = await this.db.query<{ path: string }[]>(
      `SELECT path FROM catalog_head WHERE tenant_id = $1 AND starts_with(path, $2) ORDER BY path LIMIT $3`,
      [tenantId, prefix, limit],
    );
    return rows.map(({ path }) => path);
  }

  /**
   * The entries that fit a text best: by words and beginnings of words in path, name, title and description, or by containing the text.
   * An empty text fits everything, in the order of tool names.
   */
  async search(tenantId: string, text: string, kinds: readonly string[], limit: number): Promise<readonly CatalogHead[]> {
    const words =
      text
        .toLowerCase()
        .match(/[\p{L}\p{N}]+/gu)
        ?.slice(0, MAX_WORDS) ?? [];
    if (words.length === 0) return this.page(tenantId, { kinds, exposedOn: null }, null, limit);
    const part = `%${text.trim().replace(/[\\%_]/g, (character) => `\\${character}`)}%`;
    const found = await this.withWords(tenantId, words, '&', part, kinds, limit);
    if (found.length === limit || words.length === 1) return found;
    // What has only some of the words comes after what has all; common words alone fit much of a large catalog.
    const paths = new Set(found.map(({ path }) => path));
    const further = await this.withWords(tenantId, words, '|', part, kinds, limit);
    return [...found, ...further.filter(({ path }) => !paths.has(path))].slice(0, limit);
  }

  private withWords(
    tenantId: string,
    words: readonly string[],
    operator: '&' | '|',
    part: string,
    kinds: readonly string[],
    limit: number,
  ): Promise<CatalogHead[]> {
    const beginnings = words.map((word) => `'${word}':*`).join(operator);
    const stems = words.map((word) => `'${word}'`).join(operator);
    return this.db.query<CatalogHead[]>(SEARCH, [tenantId, kinds, beginnings, stems, part, limit]);
  }

  /** Brings heads up to date that are missing, of another form, or were left behind by a node of an older version. @returns how many were looked at */
  async repair(signal: AbortSignal): Promise<number> {
    let after: readonly [string, string] = ['', ''];
    let looked = 0;
    while (!signal.aborted) {
      const stale = await this.db.query<{ tenantId: string; path: string }[]>(STALE, [HEAD_FORM, ...after, REPAIR_BATCH]);
      for (const { tenantId, path } of stale) {
        if (signal.aborted) break;
        await this.db.transaction(async (tx) => {
          await lockPath(tx, tenantId, path);
          await refreshHead(tx, tenantId, path, 'generate');
        });
        after = [tenantId, path];
        looked += 1;
      }
      if (stale.length < REPAIR_BATCH) break;
    }
    return looked;
  }
}

/** Each side by its own index, then ranked together; a text that is part of the name goes before one whose words are somewhere. */
const SEARCH = `
  WITH query AS (SELECT to_tsquery('simple', $3) || to_tsquery('english', $4) AS words),
  found AS (
    SELECT tenant_id, path FROM catalog_head, query WHERE tenant_id = $1 AND search_words @@ query.words AND kind = ANY($2::text[])
    UNION
    SELECT tenant_id, path FROM catalog_head WHERE tenant_id = $1 AND search_text ILIKE $5 AND kind = ANY($2::text[]))
  SELECT ${COLUMNS}
  FROM catalog_head JOIN found USING (tenant_id, path), query
  ORDER BY tool_name ILIKE $5 OR path ILIKE $5 DESC, ts_rank(search_words, query.words) DESC, tool_name
  LIMIT $6`;

const STALE = `
  SELECT tenant_id AS "tenantId", path
  FROM (
    SELECT DISTINCT ON (tenant_id, path) tenant_id, path, id
    FROM playbook
    WHERE status <> 'yanked' AND (tenant_id, path) > ($2, $3)
    ORDER BY tenant_id, path, ${LATEST_FIRST}
  ) latest LEFT JOIN catalog_head head USING (tenant_id, path)
  WHERE head.entry_id IS DISTINCT FROM latest.id OR head.form IS DISTINCT FROM $1
  ORDER BY tenant_id, path
  LIMIT $4`;
