import { type ChildEnded, type InboxMessage } from '../ports.js';
import { type ApprovalTaken } from '../approvals.js';
import { type Stimulus } from './decision.js';

/** The firing that is answered, where the door named one. */
const waveOf = ({ wave }: InboxMessage['payload']): { readonly wave?: number } => (typeof wave === 'number' ? { wave } : {});

/** What a message of the inbox means to the run; null for a kind that asks nothing of it. The door has checked the payload. */
export function stimulusOf({ kind, payload }: Pick<InboxMessage, 'kind' | 'payload'>): Stimulus | null {
  const reason = typeof payload['reason'] === 'string' ? payload['reason'] : null;
  const asked = typeof payload['by'] === 'string' ? { by: payload['by'] } : {};
  switch (kind) {
    case 'cancel':
      return {
        kind: 'cancel',
        reason,
        force: payload['force'] === true,
        ...(payload['cascade'] === false ? { cascade: false } : {}),
        ...asked,
      };
    case 'pause':
      return { kind: 'pause', reason, ...asked };
    case 'resume':
      return { kind: 'resume', ...asked };
    case 'signal':
      return { kind: 'signal', name: String(payload['name']), payload: payload['payload'] ?? null, ...waveOf(payload), ...asked };
    case 'approval':
      return { kind: 'approval', taken: payload as unknown as ApprovalTaken };
    case 'child_ended':
      return { kind: 'child_ended', ended: payload as unknown as ChildEnded };
    case 'retry_now':
      return null;
  }
}
