import { Injectable } from '@nestjs/common';
import { isId } from '../common/id-pipe.js';
import { EngineError } from '../engine/engine-error.js';
import { type CatalogEntry } from '../storage/catalog-entry.js';
import { LruMap } from '../storage/lru-map.js';
import { PlaybookRepository, type StoredEntry } from '../storage/repositories/playbook.repository.js';
import { normalisePath, parentOf, parseReference } from './catalog-path.js';
import { type KnownPath, PathVersions } from './path-versions.js';
import { pointedAt } from './pointed-at.js';
import { chooseVersion, resolveVersion, type Resolution } from './resolve.js';
import { type AskedVersion, parseAskedVersion } from './version.js';

/**
 * What a start asked for, as its request wrote it; `version` is null where it says nothing.
 * style id: a catalog id, a path, `path@version` or `path:version`; no version means the one registered last.
 * style path: the same without the id; no version means the highest.
 */
export type EntryReference =
  | { readonly style: 'id'; readonly id: string; readonly version: string | null }
  | { readonly style: 'path'; readonly path: string; readonly version: string | null };

export interface ResolvedEntry {
  readonly entry: CatalogEntry;
  /** Canonical, or as the request wrote it where it named one exact version. */
  readonly shownVersion: string;
  /** As sent; `latest` where nothing was. */
  readonly requestedVersion: string;
  /** For `Warning` headers: the entry is deprecated or yanked. */
  readonly warnings: readonly string[];
}

type PathReader = Pick<PathVersions, 'of'>;

/** Finds entries: what a reference means, and why. */
@Injectable()
export class CatalogService {
  private readonly pathOfId = new LruMap<string, string>(10_000);

  constructor(
    private readonly playbooks: PlaybookRepository,
    private readonly paths: PathVersions,
  ) {}

  /**
   * The entry a reference means. Hot path: no query where the path was resolved within the last second.
   * @throws EngineError `invalid_path`, `invalid_version`, `unknown_playbook`, `unknown_version`, `unknown_tag`, `entry_state_conflict` (held)
   */
  async resolve(tenantId: string, reference: EntryReference): Promise<ResolvedEntry> {
    const [at, text] = reference.style === 'id' ? ['/playbook_id', reference.id] : ['/path', reference.path];
    const named = pointedAt(at, () => parseReference(text));
    const byId = reference.style === 'id' && named.id !== null ? await this.entry(tenantId, named.id) : null;
    if (byId?.status === 'held') {
      throw new EngineError('conflict', 'entry_state_conflict', `${byId.path} ${byId.version} waits for a review.`);
    }
    if (byId) return this.named(tenantId, byId, reference.version);
    const requested = requestedVersion(named.version, reference.version);
    const isNewest = requested === null && reference.style === 'id';
    const asked: AskedVersion = isNewest
      ? { kind: 'newest' }
      : pointedAt(named.version === null ? '/version' : at, () => parseAskedVersion(requested));
    const find = async (read: PathReader): Promise<CatalogEntry> =>
      this.choose(await this.known(tenantId, named.path, read), named.path, asked, requested);
    // What this node knows may lack what another one has just acknowledged: a start is refused for a missing entry only where the database says so.
    const entry = await find(this.paths).catch((error: unknown) => {
      if (!(error instanceof EngineError) || error.kind !== 'not_found') throw error;
      return find({ of: (tenant, path) => this.paths.anew(tenant, path) });
    });
    const shown = asked.kind === 'exact' && requested !== null ? requested.trim() : entry.version;
    return resolvedEntry(entry, shown, requested ?? 'latest');
  }

  /** Every version of a path and why it was or was not chosen. @throws EngineError as `resolve` */
  async explain(tenantId: string, path: string, version: string | null): Promise<Resolution & { readonly path: string }> {
    const normalised = pointedAt('/path', () => normalisePath(path));
    const asked = pointedAt('/version', () => parseAskedVersion(version));
    const { state } = await this.known(tenantId, normalised);
    const resolution = resolveVersion(asked, state.versions, taggedBy(asked, state.tags));
    return { ...resolution, path: state.versions[0]?.path ?? normalised };
  }

  /** Every version of a path, newest registration first. @throws EngineError `invalid_path`, `unknown_playbook` */
  async versions(tenantId: string, path: string): Promise<KnownPath['state'] & { readonly path: string }> {
    const { state } = await this.known(
      tenantId,
      pointedAt('/path', () => normalisePath(path)),
    );
    return { ...state, path: state.versions[0]?.path ?? path };
  }

  /** An entry with its text. @throws EngineError `unknown_playbook` */
  async stored(tenantId: string, id: string): Promise<StoredEntry> {
    const entry = isId(id) ? await this.playbooks.storedById(tenantId, id) : null;
    return entry ?? refuseUnknown(id);
  }

  /** The entry of an id as it stands, or null. The path of an id never changes, its status does. */
  private async entry(tenantId: string, id: string): Promise<CatalogEntry | null> {
    const key = `${tenantId}\n${id}`;
    const path = this.pathOfId.get(key);
    const known = path === undefined ? undefined : (await this.paths.of(tenantId, path)).byId(id);
    if (known) return known;
    const entry = await this.playbooks.entryById(tenantId, id);
    if (entry) this.pathOfId.set(key, entry.path);
    return entry;
  }

  /** An entry that was named by its id: a version beside it must mean this entry, too; `latest` may be its default. */
  private async named(tenantId: string, entry: CatalogEntry, field: string | null): Promise<ResolvedEntry> {
    if (field === null || field === 'latest') return resolvedEntry(entry, entry.version, 'latest');
    const asked = pointedAt('/version', () => parseAskedVersion(field));
    const { tags } = (await this.paths.of(tenantId, entry.path)).state;
    if (!chooseVersion(asked, [entry], taggedBy(asked, tags))) throw namedTwice(field, `the id ${entry.version}`);
    return resolvedEntry(entry, asked.kind === 'exact' ? field.trim() : entry.version, field);
  }

  /** The path and, where that is unknown, the path above it as far as its entries have the last segment for a name. */
  private async known(tenantId: string, path: string, paths: PathReader = this.paths): Promise<KnownPath> {
    const known = await paths.of(tenantId, path);
    if (known.state.versions.length > 0) return known;
    const above = parentOf(path);
    const parent = above && (await paths.of(tenantId, above.parent)).named(above.name);
    return parent && parent.state.versions.length > 0 ? parent : refuseUnknown(path);
  }

  private choose(known: KnownPath, path: string, asked: AskedVersion, requested: string | null): CatalogEntry {
    const key = asked.kind === 'newest' ? '\n' : (requested ?? 'latest');
    const remembered = known.choices.get(key);
    if (remembered) return remembered;
    const { versions, tags } = known.state;
    const chosen = chooseVersion(asked, versions, taggedBy(asked, tags));
    if (!chosen) throw noneMatches(path, asked, requested ?? 'latest', tags);
    known.choices.set(key, chosen);
    return chosen;
  }
}

/** A version behind the path and one in the request are two names of one thing; `latest` in the request may be its default. */
function requestedVersion(behindPath: string | null, field: string | null): string | null {
  if (behindPath === null || field === null || field === 'latest' || behindPath.trim() === field.trim()) return behindPath ?? field;
  throw namedTwice(field, `the path ${behindPath}`);
}

function namedTwice(field: string, other: string): EngineError {
  const message = `names the version ${field}, ${other}`;
  return new EngineError('invalid', 'ambiguous_field', `The request ${message}.`, [
    { code: 'ambiguous_field', pointer: '/version', message },
  ]);
}

/** An entry that was found without asking for it by path. */
export function resolvedEntry(entry: CatalogEntry, shownVersion: string, requestedVersion: string): ResolvedEntry {
  return { entry, shownVersion, requestedVersion, warnings: warningsOf(entry) };
}

const NO_WARNINGS: readonly string[] = [];

function warningsOf(entry: CatalogEntry): readonly string[] {
  if (entry.status === 'active') return NO_WARNINGS;
  return [`${entry.path} ${entry.version} is ${entry.status}${entry.statusReason === null ? '' : `: ${entry.statusReason}`}`];
}

function taggedBy(asked: AskedVersion, tags: ReadonlyMap<string, string>): string | null {
  return asked.kind === 'tag' ? (tags.get(asked.tag) ?? null) : null;
}

function refuseUnknown(reference: string): never {
  throw new EngineError('not_found', 'unknown_playbook', `There is no catalog entry "${reference}".`);
}

function noneMatches(path: string, asked: AskedVersion, requested: string, tags: ReadonlyMap<string, string>): EngineError {
  if (asked.kind === 'tag' && !tags.has(asked.tag))
    return new EngineError('not_found', 'unknown_tag', `${path} has no tag "${asked.tag}".`);
  return new EngineError('not_found', 'unknown_version', `${path} has no version that matches "${requested}".`);
}
