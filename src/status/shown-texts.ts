import { Injectable } from '@nestjs/common';
import { EngineError } from '../engine/engine-error.js';
import { LoneThread } from '../threads/lone-thread.js';
import { THREAD_PROGRAM } from './masking-thread-program.js';
import { shownText } from './shown.js';

/** Texts of more characters are worked on in a thread: 16 MiB would hold up everything else of the process for a few hundred milliseconds. */
const LARGE_TEXT = 256 * 1024;
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

  /**
   * @param text JSON, as it is stored
   * @returns JSON text, or where it is large its UTF-8
   * @throws EngineError overloaded
   */
  async shown(text: string): Promise<string | Buffer> {
    if (text.length <= LARGE_TEXT) return shownText(text);
    const bytes = Buffer.from(text);
    const { buffer, byteOffset, length } = await this.thread.ask(bytes, [bytes.buffer]);
    return Buffer.from(buffer, byteOffset, length);
  }
}
