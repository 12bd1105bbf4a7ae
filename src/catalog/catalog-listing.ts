import { Injectable } from '@nestjs/common';
import { type FastifyReply } from 'fastify';
import { cursorOf, linkNextPage, readCursor } from '../common/paging.js';
import { type Principal } from '../common/principal.js';
import { type ListedEntry } from '../storage/catalog-entry.js';
import { PlaybookListingRepository } from '../storage/repositories/playbook-listing.repository.js';
import { CATALOG_PATH } from './catalog-path.js';

export interface ListingPage {
  /** Any case; left out or empty = all. */
  readonly kind?: string;
  /** Part of path, name or description; left out or empty = all. */
  readonly text?: string;
  readonly limit: number;
  readonly cursor?: string;
}

/** Pages of the catalog, one entry per path, in the order of paths. */
@Injectable()
export class CatalogListing {
  constructor(private readonly entries: PlaybookListingRepository) {}

  /** A page; the reply is told where the next one is. @param url of this page, as a GET asks for it @throws EngineError `invalid_cursor` */
  async page(principal: Principal, asked: ListingPage, url: string, reply: FastifyReply): Promise<readonly ListedEntry[]> {
    const after = asked.cursor === undefined ? null : readCursor(asked.cursor, (key) => CATALOG_PATH.test(key));
    const filter = { kind: asked.kind || null, text: asked.text || null };
    const found = await this.entries.list(principal.tenant, filter, after, asked.limit + 1);
    const page = found.slice(0, asked.limit);
    const last = page.at(-1);
    linkNextPage(reply, url, last && found.length > page.length ? cursorOf(last.path) : null);
    return page;
  }
}
