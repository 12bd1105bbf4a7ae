import { scopesOfMessage } from './message-scopes.js';

describe(scopesOfMessage.name, () => {
  const listen = (notifications: unknown): unknown => ({ method: 'subscriptions/listen', params: { notifications } });

  it.each<[string, unknown, readonly string[]]>([
    ['a call', { method: 'tools/call', params: { name: 'execute' } }, ['executions:start']],
    ['a call of a tool that starts nothing', { method: 'tools/call', params: { name: 'execution_status' } }, ['executions:read']],
    ['a subscription to an execution', listen({ resourceSubscriptions: ['execution://1'] }), ['executions:read']],
    ['one among others', listen({ resourceSubscriptions: ['catalog://playbook/a@1', 7, 'execution://1/logs'] }), ['executions:read']],
    ['a subscription to lists and entries', listen({ toolsListChanged: true, resourceSubscriptions: ['catalog://playbook/a@1'] }), []],
    ['a subscription to nothing', { method: 'subscriptions/listen' }, []],
    ['a list', { method: 'tools/list' }, []],
    ['something else', [{ method: 'tools/call' }], []],
  ])('knows what %s takes', (_name, body, scopes) => expect(scopesOfMessage(body)).toEqual(scopes));
});
