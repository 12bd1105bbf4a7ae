import { ProtocolError, ProtocolErrorCode } from '@modelcontextprotocol/server';
import { isSealOf, sealOf } from './sealed-text.js';

/** A position in one list of one tenant: where the last page ended, sealed together with the list, so that it means nothing in another. */
export function listCursor(key: Buffer, list: string, after: string): string {
  return `${Buffer.from(after, 'utf8').toString('base64url')}.${sealOf(key, `cursor ${list}`, after)}`;
}

/** @throws ProtocolError invalid params, for all but cursors of this list */
export function afterOfCursor(key: Buffer, list: string, cursor: string | undefined): string | null {
  if (cursor === undefined) return null;
  const [position = '', seal = '', ...more] = cursor.split('.');
  const after = Buffer.from(position, 'base64url').toString('utf8');
  if (more.length > 0 || !isSealOf(seal, key, `cursor ${list}`, after)) {
    throw new ProtocolError(ProtocolErrorCode.InvalidParams, 'The cursor was not made by this service for this list.', {
      code: 'invalid_cursor',
    });
  }
  return after;
}
