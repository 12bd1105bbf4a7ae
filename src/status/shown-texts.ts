import { Injectable } from '@nestjs/common';
import { EngineError } from '../engine/engine-error.js';
import { LoneThread } from '../threads/lone-thread.js';
import { THREAD_PROGRAM } from './masking-thread-program.js';
import { shownText } from './shown.js';

/** Texts of more characters are worked on in a thread: 16 MiB would hold up everything else of the process for a few hundred milliseconds. */
const LARGE_TEXT = 256 * 1024;
/** The text as bytes, as a text, parsed, and masked: at most a few times 16 MiB each. */
const THREAD_MEMORY_MB = 512;

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
