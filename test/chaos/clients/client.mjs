import { Http, NotSent } from '../http.mjs';

/** One caller: a connection pool to each node, a stream of randomness, and every call in the history. */
export class Client {
  constructor(load, number) {
    this.load = load;
    this.number = number;
    this.random = load.random.stream(`client-${number}`);
    this.http = load.nodes.map(({ url }) => new Http(url));
  }

  /** A node, at random; another one than `node` where that is given. */
  otherNode(node) {
    const others = this.http.map((_, index) => index).filter((index) => index !== node);
    return this.random.pick(others.length > 0 ? others : [0]);
  }

  /**
   * Sends one request and writes its invocation and outcome down: ok, fail (for certain nothing happened) or unknown.
   * @param {{ op: string }} entry what the history says of it
   * @param {(answer: import('../http.mjs').Answer) => object | null} read what of a good answer goes into the history
   * @returns {Promise<{ phase: 'ok' | 'fail' | 'unknown', answer: import('../http.mjs').Answer | null, line: object }>}
   */
  async call(entry, node, method, path, options, read) {
    const { load } = this;
    const about = { client: this.number, node, ...entry };
    const invoked = await load.history.write({ phase: 'invoke', ...about });
    load.inFlight[node] += 1;
    let outcome;
    let answer = null;
    try {
      answer = await this.http[node].send(method, path, options);
      outcome = outcomeOf(entry.op, answer, read);
    } catch (error) {
      outcome = error instanceof NotSent ? { phase: 'fail', code: 'not_sent' } : { phase: 'unknown', why: error.message };
    } finally {
      load.inFlight[node] -= 1;
    }
    const line = await load.history.write({ ...about, ...outcome, since: invoked.t });
    if (outcome.phase === 'unknown') load.unknown += 1;
    return { phase: outcome.phase, answer, line };
  }

  close() {
    for (const http of this.http) http.close();
  }
}

function outcomeOf(op, answer, read) {
  const { status, json } = answer;
  if (status < 300) return { phase: 'ok', status, ...read(answer) };
  const code = json?.code ?? null;
  return {
    phase: status < 500 || (status === 503 && isCertain(op, code)) ? 'fail' : 'unknown',
    status,
    code,
    detail: json?.detail ?? null,
  };
}

/** A refused start says that nothing was started, except where the service itself does not know. Of other writes a broken connection tells nothing. */
function isCertain(op, code) {
  return op === 'start' || op === 'mismatch' ? code !== 'outcome_unknown' : code === 'overloaded' || code === 'draining';
}
