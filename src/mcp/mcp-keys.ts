import { Injectable } from '@nestjs/common';
import { SigningKeys } from '../storage/signing-keys.js';

/** The key with which all nodes seal cursors, ids of tasks and states of calls. */
@Injectable()
export class McpKeys {
  constructor(private readonly keys: SigningKeys) {}

  key(): Promise<Buffer> {
    return this.keys.shared('mcp');
  }
}
