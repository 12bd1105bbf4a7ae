import { type InboxMessage } from '../ports.js';
import { type Stimulus } from './decision.js';

/** What a message of the inbox means to the run; null for a kind that asks nothing of it. The door has checked the payload. */
export function stimulusOf({ kind, payload }: Pick<InboxMessage, 'kind' | 'payload'>): Stimulus | null {
  const reason = typeof payload['reason'] === 'string' ? payload['reason'] : null;
  switch (kind) {
    case 'cancel':
      return { kind: 'cancel', reason, force: payload['force'] === true };
    case 'pause':
      return { kind: 'pause', reason };
    case 'resume':
      return { kind: 'resume' };
    case 'signal':
      return { kind: 'signal', name: String(payload['name']), payload: payload['payload'] ?? null };
    case 'child_ended':
    case 'retry_now':
      return null;
  }
}
