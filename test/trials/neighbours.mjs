// Small executions, each answered at its end: a process of its own, so that what the clients of large values do to their loop (16 MiB of text to
// decode and to parse) does not count as the service's. argv: url of the service, JSON { path, clients, pauseMs, seconds }. Prints one line of JSON:
// { times: milliseconds each, wrong: what was not right }.
import { setTimeout as sleep } from 'node:timers/promises';
import { Http } from '../chaos/http.mjs';

const [url, json] = process.argv.slice(2);
const { path, clients, pauseMs, seconds } = JSON.parse(json);
const until = performance.now() + seconds * 1_000;
const found = { times: [], wrong: [] };
await Promise.all(
  Array.from({ length: clients }, async () => {
    const http = new Http(url);
    while (performance.now() < until) {
      const since = performance.now();
      const answer = await http
        .send('POST', '/execute', { body: { path }, headers: { prefer: 'wait=30' }, timeoutMs: 60_000 })
        .catch((error) => ({ status: 0, json: error.message }));
      if (answer.status === 200 && answer.json.status === 'completed') found.times.push(performance.now() - since);
      else found.wrong.push(`${answer.status} ${JSON.stringify(answer.json).slice(0, 200)}`);
      await sleep(pauseMs);
    }
    http.close();
  }),
);
console.log(JSON.stringify(found));
