import { filterOf } from './list-filter.js';

describe(filterOf.name, () => {
  // Playbook language §11.1: clients of NoETL have these words for the states.
  it.each([
    ['completed', ['complete', 'success', 'succeeded', 'done']],
    ['failed', ['error', 'failure']],
    ['running', ['run', 'in_progress', 'started', 'start', 'begin', 'initiated']],
    ['pending', ['created', 'queued', 'init', 'new', 'waiting']],
    ['paused', ['pause', 'suspended', 'stopped', 'halted']],
    ['cancelled', []],
  ])('knows every word for %s, in any case', (status, synonyms) => {
    for (const word of [status, ...synonyms]) {
      expect([word, filterOf({ status: word }).statuses]).toEqual([word, [status]]);
      expect(filterOf({ status: word.toUpperCase() }).statuses).toEqual([status]);
    }
  });

  it('refuses what is no state', () => {
    expect(() => filterOf({ status: 'done,sleeping' }, '/filter')).toThrow(
      expect.objectContaining({ code: 'invalid_request', issues: [expect.objectContaining({ pointer: '/filter/status' })] }),
    );
  });
});
