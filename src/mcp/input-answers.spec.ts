import { sortAnswers } from './input-answers.js';

const form = (property: string, type = 'string'): { method: string; params: object } => ({
  method: 'elicitation/create',
  params: { message: '?', requestedSchema: { type: 'object', properties: { [property]: { type } }, required: [property] } },
});
const SAMPLING = { method: 'sampling/createMessage', params: { messages: [], maxTokens: 5 } };
const ROOTS = { method: 'roots/list' };
const ALL = { elicitation: {}, sampling: {}, roots: {} };
const accept = (content: object): object => ({ action: 'accept', content });

describe(sortAnswers.name, () => {
  it('takes answers that fit, asks the others again, and ignores what nobody asked for', () => {
    const requests = { name: form('name'), age: form('age', 'integer'), model: SAMPLING, roots: ROOTS } as never;
    const answers = {
      name: accept({ name: 'Alice' }),
      age: accept({ age: 'old' }),
      model: { role: 'assistant', content: { type: 'text', text: 'x' } },
      roots: 12345,
      stray: accept({}),
    };
    const sorted = sortAnswers(requests, answers, ALL);
    expect([Object.keys(sorted.answered), Object.keys(sorted.open), sorted.isStuck]).toEqual([['name', 'model'], ['age', 'roots'], false]);
  });

  it('of a client that cannot be asked nothing is asked: nobody decided, there are no roots, and a model there is none', () => {
    const requests = { name: form('name'), model: SAMPLING, roots: ROOTS } as never;
    expect(sortAnswers(requests, {}, { sampling: {} })).toEqual({
      answered: {},
      open: { model: SAMPLING },
      assumed: { name: { action: 'cancel' }, roots: { roots: [] } },
      missing: [{ elicitation: {} }, { roots: {} }],
      isStuck: false,
    });
    expect(sortAnswers(requests, {}, {}).isStuck).toBe(true);
  });

  it('an elicitation by URL needs a client that says so; names of prototypes are no answers', () => {
    const request = {
      toString: { method: 'elicitation/create', params: { mode: 'url', message: '?', url: 'https://x.example' } },
    } as never;
    expect(Object.keys(sortAnswers(request, {}, { elicitation: {} }).open)).toEqual([]);
    expect(Object.keys(sortAnswers(request, {}, { elicitation: { url: {} } }).open)).toEqual(['toString']);
  });
});
