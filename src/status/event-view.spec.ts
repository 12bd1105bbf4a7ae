import { type RunEvent } from '../engine/run/events.js';
import { newRun } from '../engine/testing/scripted-run.js';
import { recordOf } from '../storage/ephemeral-runs.js';
import { eventView } from './event-view.js';

describe(eventView.name, () => {
  const record = recordOf(newRun('1'), 0);
  const apart = { $ref: '/executions/1/events/2/result' };

  it.each([
    ['loop_started', 'items', 'result'],
    ['loop_iteration', 'items', 'result'],
    ['action_acted', 'acted', 'result'],
    ['action_started', 'parts', 'meta'],
    ['action_completed', 'parts', 'meta'],
  ])('shows of a %s whose %s lie apart where they are', (type, field, place) => {
    const event = { type, step: 's', stepType: 'iterator', wave: 1, path: '', [field]: apart } as unknown as RunEvent;
    const view = eventView(record, { seq: 2, at: 0, event });
    expect(view[place as 'result' | 'meta']).toEqual(place === 'meta' ? { parts: apart } : apart);
  });
});
