import { compileTemplate } from '../template/template.js';
import { Rendering } from '../template/rendering.js';
import { type Json } from '../values.js';
import { AttemptData } from './retry.js';

const seen = (value: Json, expression: string): Json => {
  const data = new AttemptData({ names: [], value, status: 'success', error: null, meta: null, valueAliases: undefined });
  const rendering = new Rendering({ now: '', random: () => 0, nextId: () => '' });
  return compileTemplate(`{{ ${expression} }}`).render({ lookup: (name) => (name === 'data' ? data : undefined) }, rendering);
};

describe(AttemptData.name, () => {
  const ANSWER = { status_code: 200, url: 'http://a/', data: { state: 'pending', status: 'queued', url: 'inner' } };

  it.each([
    ['the body of an answer', ANSWER, 'data.state', 'pending'],
    ['the body where it has a status', ANSWER, 'data.status', 'queued'],
    ['the answer itself', ANSWER, '[data.status_code, data.url, data.data.url]', [200, 'http://a/', 'inner']],
    ['a plain value', { state: 'done' }, '[data.state, data.data.state, data.status]', ['done', 'done', 'success']],
    ['no mapping', [1, 2], '[data[1], data | length]', [2, 2]],
  ])('sees %s', (_what, value: Json, expression, expected) => {
    expect(seen(value, expression)).toEqual(expected);
  });
});
