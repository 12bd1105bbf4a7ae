const HEADER_BYTES = 4;

/** One message on a pipe: its length (32 bits, big-endian), then JSON in UTF-8. */
export function encodeFrame(message: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(message), 'utf8');
  const frame = Buffer.allocUnsafe(HEADER_BYTES + body.length);
  frame.writeUInt32BE(body.length, 0);
  body.copy(frame, HEADER_BYTES);
  return frame;
}

/** A frame without a body: the sender is alive. */
export const KEEP_ALIVE = Buffer.alloc(HEADER_BYTES);

export class FrameTooLarge extends Error {
  override readonly name = 'FrameTooLarge';
}

/** Cuts a byte stream into frame bodies; holds one unfinished frame of at most `maxBytes`. */
export class FrameReader {
  private chunks: Buffer[] = [];
  private buffered = 0;
  private expected: number | null = null;

  constructor(private readonly maxBytes: number) {}

  /** Returns the bodies that `chunk` completes. Throws FrameTooLarge as soon as a header announces too much. */
  push(chunk: Buffer): Buffer[] {
    this.chunks.push(chunk);
    this.buffered += chunk.length;
    const bodies: Buffer[] = [];
    for (;;) {
      if (this.expected === null) {
        if (this.buffered < HEADER_BYTES) return bodies;
        this.expected = this.take(HEADER_BYTES).readUInt32BE(0);
        if (this.expected > this.maxBytes) throw new FrameTooLarge(`a frame of ${this.expected} bytes`);
      }
      if (this.buffered < this.expected) return bodies;
      bodies.push(this.take(this.expected));
      this.expected = null;
    }
  }

  private take(bytes: number): Buffer {
    const all = this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks);
    this.chunks = all.length > bytes ? [all.subarray(bytes)] : [];
    this.buffered = all.length - bytes;
    return all.subarray(0, bytes);
  }
}
