import { setTimeout as sleep } from 'node:timers/promises';

/** Registers a playbook. @returns its path */
export async function register(node, content) {
  const answer = await node.http.send('POST', '/catalog/register', { body: { content } });
  if (answer.status !== 201) throw new Error(`a playbook is refused with ${answer.status}: ${JSON.stringify(answer.json)}`);
  return answer.json.path;
}

/** Starts an execution at one node after the other until one of them acknowledges; the key makes it one start. @returns its id */
export async function startPatiently(nodes, key, body) {
  for (let tries = 0; ; tries++) {
    const node = nodes[tries % nodes.length];
    const answer = await node.http
      .send('POST', '/execute', { body, headers: { 'idempotency-key': key }, timeoutMs: 5_000 })
      .catch((error) => ({ status: 0, json: error.message }));
    if (answer.status === 202 || answer.status === 200) return answer.json.execution_id;
    // Refused for now, or nobody knows: the same key asks again. Anything else stays as it is.
    if (answer.status !== 0 && answer.status !== 429 && answer.status !== 503)
      throw new Error(`a start is refused with ${answer.status}: ${JSON.stringify(answer.json)}`);
    if (tries > 600) throw new Error(`a start is not taken: ${JSON.stringify(answer.json)}`);
    await sleep(200);
  }
}

/** Resolves with how many executions of this path are still open: 0, or what is left after `withinMs`. */
export async function allEnded(database, path, withinMs) {
  for (const until = performance.now() + withinMs; ; await sleep(500)) {
    const [{ open }] = await database.readPatiently(`SELECT count(*)::int AS open FROM execution WHERE path LIKE $1 AND ended_at IS NULL`, [
      path,
    ]);
    if (open === 0 || performance.now() > until) return open;
  }
}
