import { RequestPipe } from '../common/request-pipe.js';
import { ResolveCatalogQuery } from './dto/catalog.queries.js';

/** Checks which entry a query names: path and version. */
export const ENTRY_QUERY = new RequestPipe(ResolveCatalogQuery, { query: true });
