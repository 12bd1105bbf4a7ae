import { Injectable } from '@nestjs/common';
import { EngineError } from '../engine/engine-error.js';
import { LoneThread } from '../threads/lone-thread.js';
import { THREAD_PROGRAM } from './masking-thread-program.js';
import { shownText } from './shown.js';

/** Texts of more characters are worked on in a thread: 16 MiB would hold up everything else of the process for a few hundred milliseconds. */
const LARGE_TEXT = 256 * 1024;
/** Of all that wait for the thread: they come from the database faster than it is through with them. */
const MOST_WAITING_BYTES = 128 * 1_048_576;
/** Far more than any value of 16 MiB needs: going beyond it within one call of V8, as JSON.parse is, would end the process and not the thread. */
const THREAD_MEMORY_MB = 1024;

/** Stored values as they are sent. */
@Injectable()
export class ShownTexts {
  private readonly thread = new LoneThread<Uint8Array, Uint8Array>({
    program: THREAD_PROGRAM,
    memoryMb: THREAD_MEMORY_MB,
    tooMuch: () => new EngineError('unavailable', 'overloaded', 'Masking this value takes more memory than this service has for one.'),
  });
  private waitingBytes = 0;

  /**
   * @param text JSON, as it is stored
   * @returns JSON text, or where it is large its UTF-8
   * @throws EngineError overloaded
   */
  async shown(text: string): Promise<string | Buffer> {
    if (text.length <= LARGE_TEXT) return shownText(text);
    const size = Buffer.byteLength(text);
    if (this.waitingBytes + size > MOST_WAITING_BYTES)
      throw new EngineError('unavailable', 'overloaded', 'This node has as many large values to show as it can bear.');
    this.waitingBytes += size;
    try {
      return await this.masked(Buffer.from(text));
    } finally {
      this.waitingBytes -= size;
    }
  }

  private async masked(bytes: Buffer<ArrayBuffer>): Promise<Buffer> {
    const { buffer, byteOffset, length } = await this.thread.ask(bytes, [bytes.buffer]);
    return Buffer.from(buffer, byteOffset, length);
  }
}
