import { type Json, type JsonObject } from '../../../src/engine/values.js';
import { type Routes, type SeenRequest, type StandInAnswer } from '../../support/stand-ins.js';

/** What the hosts that real documents call answer here. Everything is exact, so that results can be. */
export const ROUTES: Routes = {
  'GET https://api.open-meteo.com/v1/forecast': forecast,
  'GET https://jsonplaceholder.typicode.com/posts': () => ({ body: POSTS as unknown as Json }),
  'POST https://httpbin.org/post': echo,
  'POST https://httpbin.org/status/200': () => ({ body: '' }),
  'GET https://httpbin.org/get': echo,
  'GET https://httpbin.org/status/503': () => ({ status: 503, body: '' }),
  'GET http://paginated-api.test-server.svc.cluster.local:5555/api/v1/assessments': assessments,
  'GET http://paginated-api.test-server.svc.cluster.local:5555/api/v1/events': events,
  'GET http://paginated-api.test-server.svc.cluster.local:5555/api/v1/flaky': (request, before) =>
    // The first request for the page to fail is the second of all.
    request.query['page'] === request.query['fail_on'] && before === 1 ? { status: 503, body: { detail: 'flaky' } } : assessments(request),
  'GET https://raw.githubusercontent.com/noetl/noetl/v1.2.0/tests/fixtures/playbooks/script_execution/scripts/hello_world.py': () => ({
    body: HELLO_WORLD_PY,
  }),
  'GET https://api.example.com/bearer-protected': () => ({ body: { ok: 'bearer' } }),
  'GET https://api.example.com/basic-protected': () => ({ body: { ok: 'basic' } }),
  'POST https://api.example.com/api-key-protected': () => ({ body: { ok: 'api_key' } }),
  'GET https://api.example.com/custom-protected': () => ({ body: { ok: 'header' } }),
  'PUT https://api.example.com/credential-protected': () => ({ body: { ok: 'credential' } }),
  'POST https://oauth2.googleapis.com/token': () => ({ body: { access_token: 'google-access-token', expires_in: 3600 } }),
  'GET https://secretmanager.googleapis.com/v1/projects/noetl-demo-19700101/secrets/test-secret/versions/latest:access': secret,
  'POST https://api.example.com/data': () => ({ status: 201, body: { accepted: true } }),
};

/** Hourly: whole degrees of latitude minus 40, half a degree more every hour; current: half a degree above the tenth hour. */
function forecast({ query }: SeenRequest): StandInAnswer {
  const [latitude, longitude] = [Number(query['latitude']), Number(query['longitude'])];
  if (!query['latitude'] || Number.isNaN(latitude)) return { status: 400, body: { error: true, reason: 'latitude is missing' } };
  const place = { latitude, longitude, timezone: 'GMT' };
  if (query['current'] !== undefined)
    return { body: { ...place, current: { time: '2025-11-24T09:00', temperature_2m: Math.trunc(latitude) - 29.5 } } };
  return { body: { ...place, hourly: { time: HOURS, temperature_2m: hourly(latitude) } } };
}

const HOURS = Array.from({ length: 24 }, (_each, hour) => `2025-11-24T${String(hour).padStart(2, '0')}:00`);

/** The temperatures of a day at a latitude. */
export function hourly(latitude: number): number[] {
  return HOURS.map((_hour, index) => Math.trunc(latitude) - 40 + index / 2);
}

/** Thirty-five things, ten to a page. */
function assessments({ query }: SeenRequest): StandInAnswer {
  const page = Number(query['page'] ?? 1);
  const size = Number(query['pageSize'] ?? 10);
  const data = numbered((page - 1) * size, size);
  return { body: { data, paging: { page, pageSize: size, hasMore: page * size < 35, total: 35 } } };
}

function events({ query }: SeenRequest): StandInAnswer {
  const limit = Number(query['limit'] ?? 10);
  const from = Number(query['cursor'] ?? 0);
  return { body: { events: numbered(from, limit), limit, next_cursor: from + limit < 35 ? String(from + limit) : null } };
}

function numbered(from: number, count: number): JsonObject[] {
  return Array.from({ length: Math.max(0, Math.min(count, 35 - from)) }, (_each, index) => ({
    id: from + index + 1,
    name: `Item ${from + index + 1}`,
  }));
}

function secret({ headers }: SeenRequest): StandInAnswer {
  if (headers.authorization !== 'Bearer google-access-token') return { status: 401, body: { error: 'no token' } };
  return { body: { name: 'projects/1/secrets/test-secret/versions/7', payload: { data: btoa('secret-of-google') } } };
}

/** As httpbin.org answers. */
function echo({ url, query, headers, body }: SeenRequest): StandInAnswer {
  return { body: { args: query, headers: { host: headers.host ?? '' }, json: typeof body === 'string' ? null : body, url } };
}

/** Posts with everything in them that SQL text could stumble over. */
export const POSTS = [
  { userId: 1, id: 1, title: "it's a title", body: 'quia et suscipit\nsuscipit recusandae consequuntur expedita et cum' },
  { userId: 1, id: 2, title: '"qui" est esse', body: 'est rerum tempore vitae\nsequi sint nihil; -- no comment' },
  { userId: 1, id: 3, title: 'ea $$molestias$$', body: "'); DROP TABLE public.http_posts; --" },
  { userId: 2, id: 4, title: 'eum \\ et', body: 'back\\slash \\n and $1, :name, %s and {{ braces }}' },
  { userId: 2, id: 5, title: 'Größe 中文 🚀', body: '/* not a comment */ $tag$ text $tag$' },
  { userId: 3, id: 6, title: '', body: 'x'.repeat(120) },
] as const;

const HELLO_WORLD_PY = `
def main(name="World", count=1):
    greetings = [f"Hello, {name}!" for _ in range(int(count))]
    return {"status": "success", "script_source": "file", "greetings": greetings, "total_greetings": len(greetings)}
`;
