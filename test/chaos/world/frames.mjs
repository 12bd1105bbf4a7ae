/** Reads PostgreSQL's messages from a stream: their types, and the name of the prepared statement of a Bind. */
export class Frames {
  #rest = Buffer.alloc(0);
  /** Bytes of a long message that are still to come. */
  #skip = 0;
  #isStart;

  /** @param {boolean} fromClient a client's first message has no type */
  constructor(fromClient) {
    this.#isStart = fromClient;
  }

  /** @returns {{ type: string, statement: string | null }[]} the messages that begin in this chunk */
  read(chunk) {
    const frames = [];
    let data = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    for (;;) {
      if (this.#skip > 0) {
        const skipped = Math.min(this.#skip, data.length);
        this.#skip -= skipped;
        data = data.subarray(skipped);
      }
      const head = this.#isStart ? 4 : 5;
      // Long enough to see the names in the head of a Bind.
      if (data.length < head) break;
      const length = data.readUInt32BE(head - 4) + head - 4;
      const type = this.#isStart ? '' : String.fromCharCode(data[0]);
      if (type === 'B' && data.length < Math.min(length, 64)) break;
      this.#isStart = false;
      frames.push({ type, statement: type === 'B' ? statementOf(data.subarray(head, Math.min(length, 200))) : null });
      this.#skip = length;
    }
    this.#rest = Buffer.from(data);
    return frames;
  }
}

/** Bind: the portal's name, then the statement's, each ended by a zero byte. */
function statementOf(body) {
  const portalEnd = body.indexOf(0);
  const nameEnd = body.indexOf(0, portalEnd + 1);
  return portalEnd < 0 || nameEnd < 0 ? null : body.toString('latin1', portalEnd + 1, nameEnd);
}
