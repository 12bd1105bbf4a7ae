import { Inject, Injectable, Optional, type OnModuleDestroy, type OnModuleInit } from '@nestjs/common';
import { type ServerNotifier } from '@modelcontextprotocol/server';
import { type Principal } from '../common/principal.js';
import { StatusService } from '../status/status.service.js';
import { CATALOG_CHANGES, type CatalogChanges } from '../storage/catalog-changes.js';
import { executionUri, parseServiceUri } from './resource-uri.js';

/** Many changes within so long are one. */
const DEBOUNCE_MS = 1_000;

/** Where the changes of one tenant are told to. */
export interface TenantListeners {
  readonly tenant: string;
  readonly notify: ServerNotifier;
}

/**
 * Tells clients that listen what changed, whichever node changed it: lists of the catalog, by its notices between nodes, and executions that somebody
 * subscribed to, by following them.
 */
@Injectable()
export class ChangeFeed implements OnModuleInit, OnModuleDestroy {
  private readonly listeners = new Map<string, ServerNotifier>();
  private readonly due = new Map<string, NodeJS.Timeout>();
  private readonly watched = new Map<string, { users: number; readonly stop: AbortController }>();
  private unsubscribe: (() => void) | undefined;

  constructor(
    private readonly status: StatusService,
    @Optional() @Inject(CATALOG_CHANGES) private readonly changes?: CatalogChanges,
  ) {}

  onModuleInit(): void {
    this.unsubscribe = this.changes?.subscribe((change) => {
      const tenants = change ? [change.tenantId] : [...this.listeners.keys()];
      for (const tenant of tenants) this.soon(`lists ${tenant}`, () => this.listsChanged(tenant));
    });
  }

  onModuleDestroy(): void {
    this.unsubscribe?.();
    for (const timer of this.due.values()) clearTimeout(timer);
    for (const { stop } of this.watched.values()) stop.abort();
  }

  add({ tenant, notify }: TenantListeners): void {
    this.listeners.set(tenant, notify);
  }

  /** Follows the executions among some URIs until the returned function is called. What is not there, or another tenant's, never changes. */
  watch(principal: Principal, uris: readonly string[]): () => void {
    const ids = new Set(
      uris.flatMap((uri) => {
        const own = parseServiceUri(uri);
        return own?.kind === 'execution' ? [own.id] : [];
      }),
    );
    const keys = [...ids].map((id) => this.startWatching(principal, id));
    return () => keys.forEach((key) => this.stopWatching(key));
  }

  private startWatching(principal: Principal, id: string): string {
    const key = `${principal.tenant}\n${id}`;
    const watched = this.watched.get(key);
    if (watched) watched.users += 1;
    else {
      const stop = new AbortController();
      this.watched.set(key, { users: 1, stop });
      // Whatever ends it, an unknown id first of all, ends the news of it.
      this.follow(principal, id, stop.signal).catch(() => undefined);
    }
    return key;
  }

  private stopWatching(key: string): void {
    const watched = this.watched.get(key);
    if (!watched) return;
    watched.users -= 1;
    if (watched.users > 0) return;
    watched.stop.abort();
    this.watched.delete(key);
  }

  private async follow(principal: Principal, id: string, signal: AbortSignal): Promise<void> {
    const record = await this.status.record(principal, id);
    for await (const events of this.status.follow(record, record.lastSeq, signal)) {
      if (events.length > 0) this.soon(`execution ${principal.tenant} ${id}`, () => this.executionChanged(principal.tenant, id));
    }
  }

  private executionChanged(tenant: string, id: string): void {
    const notify = this.listeners.get(tenant);
    const uri = executionUri(id);
    for (const changed of [uri, `${uri}/logs`, `${uri}/result`]) notify?.resourceUpdated(changed);
  }

  private listsChanged(tenant: string): void {
    const notify = this.listeners.get(tenant);
    notify?.toolsChanged();
    notify?.promptsChanged();
    notify?.resourcesChanged();
  }

  /** Once, however often it is asked for until then. */
  private soon(key: string, tell: () => void): void {
    if (this.due.has(key)) return;
    const timer = setTimeout(() => {
      this.due.delete(key);
      tell();
    }, DEBOUNCE_MS);
    timer.unref();
    this.due.set(key, timer);
  }
}
