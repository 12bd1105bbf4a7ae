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
/** Characters that a text has at least to be looked for inside of words: trigrams find nothing shorter. */
const SHORTEST_PART = 3;

/** Reads what `latest` means of every path; pages are by key and in the order of tool names. */
@Injectable()
export class CatalogHeadRepository {
  constructor(private readonly db: DataSource) {}

  /** @param after tool name of the last one already seen; null = from the first */
  async page(tenantId: string, { kinds, exposedOn }: HeadFilter, after: string | null, limit: number): Promise<readonly CatalogHead[]> {
    const values: unknown[] = [tenantId, kinds, after, limit];
    // Of those on a list the index of the listed ones is the way, whatever the planner believes of the kinds of a table it has no statistics of.
    const onList = exposedOn === null ? 'kind' : `exposed <> '{}' AND $${values.push(exposedOn)} = ANY(exposed) AND kind || ''`;
    return this.db.query<CatalogHead[]>(
      `SELECT ${COLUMNS} FROM catalog_head
       WHERE tenant_id = $1 AND ($3::text IS NULL OR tool_name > $3) AND ${onList} = ANY($2::text[])
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

  /** Paths of entries of some kinds that begin with a text, in their order. */
  async pathsFrom(tenantId: string, kinds: readonly string[], prefix: string, limit: number): Promise<readonly string[]> {
    const rows = await this.db.query<{ path: string }[]>(
      `SELECT path FROM catalog_head WHERE tenant_id = $1 AND kind = ANY($2::text[]) AND starts_with(path, $3) ORDER BY path LIMIT $4`,
      [tenantId, kinds, prefix, limit],
    );
    return rows.map(({ path }) => path);
  }

  /**
   * The entries that fit a text best: first those with all of its words, or beginnings of them, in path, name, title and description, then those with
   * some, then those that contain the text inside of words. An empty text fits everything, in the order of tool names.
   */
  async search(tenantId: string, text: string, kinds: readonly string[], limit: number): Promise<readonly CatalogHead[]> {
    const wanted = text.trim();
    const words =
      wanted
        .toLowerCase()
        .match(/[\p{L}\p{N}]+/gu)
        ?.slice(0, MAX_WORDS) ?? [];
    if (words.length === 0) return wanted === '' ? this.page(tenantId, { kinds, exposedOn: null }, null, limit) : [];
    const found = new Map<string, CatalogHead>();
    const add = (heads: readonly CatalogHead[]): void => heads.forEach((head) => found.has(head.path) || found.set(head.path, head));
    // Each stage only where the one before left room: common words alone fit much of a large catalog, and ranking that takes time.
    add(await this.withWords(tenantId, words, '&', wanted, kinds, limit));
    if (found.size < limit && words.length > 1) add(await this.withWords(tenantId, words, '|', wanted, kinds, limit));
    if (found.size < limit && wanted.length >= SHORTEST_PART) {
      const part = `%${wanted.replace(/[\\%_]/g, (character) => `\\${character}`)}%`;
      add(await this.db.query<CatalogHead[]>(WITH_PART, [tenantId, kinds, part, limit]));
    }
    return [...found.values()].slice(0, limit);
  }

  private withWords(
    tenantId: string,
    words: readonly string[],
    operator: '&' | '|',
    text: string,
    kinds: readonly string[],
    limit: number,
  ): Promise<CatalogHead[]> {
    const beginnings = words.map((word) => `'${word}':*`).join(operator);
    const stems = words.map((word) => `'${word}'`).join(operator);
    return this.db.query<CatalogHead[]>(WITH_WORDS, [tenantId, kinds, beginnings, stems, text, limit]);
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

/** The kinds are compared in a way that no index serves: those of words and of parts are what finds few rows. */
const WITH_WORDS = `
  SELECT ${COLUMNS}
  FROM catalog_head
  WHERE tenant_id = $1 AND kind || '' = ANY($2::text[]) AND search_words @@ (to_tsquery('simple', $3) || to_tsquery('english', $4))
  ORDER BY (path = $5 OR tool_name = $5) DESC, ts_rank(search_words, to_tsquery('simple', $3) || to_tsquery('english', $4)) DESC, tool_name
  LIMIT $6`;

const WITH_PART = `
  SELECT ${COLUMNS}
  FROM catalog_head
  WHERE tenant_id = $1 AND kind || '' = ANY($2::text[]) AND search_text ILIKE $3
  ORDER BY tool_name
  LIMIT $4`;

const STALE = `
  SELECT tenant_id AS "tenantId", path
  FROM (
    SELECT DISTINCT ON (tenant_id, path) tenant_id, path, id
    FROM playbook
    WHERE status IN ('active', 'deprecated') AND strpos(path, '/@inline/') = 0 AND (tenant_id, path) > ($2, $3)
    ORDER BY tenant_id, path, ${LATEST_FIRST}
  ) latest LEFT JOIN catalog_head head USING (tenant_id, path)
  WHERE head.entry_id IS DISTINCT FROM latest.id OR head.form IS DISTINCT FROM $1
  ORDER BY tenant_id, path
  LIMIT $4`;
