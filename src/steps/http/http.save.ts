import { type Save } from '../../engine/playbook/playbook.js';
import { type SaveStorage } from '../../engine/step-executor.js';
import { isObject, type JsonObject } from '../../engine/values.js';
import { type HttpConfig, parseHttpConfig } from './http.config.js';
import { type HttpRequest, methodOf, targetOf } from '../../outbound/http-request.js';

/** `save: {storage: http}`: the data is the JSON body of one call, POST unless the save says otherwise. */
export const httpSave: SaveStorage<HttpConfig, HttpRequest> = {
  parse: ({ fields, auth }: Save) =>
    parseHttpConfig({
      type: 'http',
      fields: { method: 'POST', ...fields },
      data: {},
      save: [],
      assert: null,
      auth,
      retry: null,
      timeout: null,
      tasks: [],
    }),

  render: (config, data, scope, rendering) => ({
    ...targetOf(config, scope, rendering),
    method: methodOf(config.method.render(scope, rendering)),
    query: {},
    body: data,
  }),

  outcome: (value): JsonObject => (isObject(value) ? { status_code: value['status_code'] ?? null, url: value['url'] ?? null } : {}),
};
