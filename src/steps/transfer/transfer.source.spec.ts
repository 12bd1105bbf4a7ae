import { type Outbound, type OutboundRequest } from '../../engine/outbound-port.js';
import { type StepContext, StepFailure } from '../../engine/step-executor.js';
import { httpRows } from './transfer.source.js';

describe(httpRows.name, () => {
  it('asks whether its execution is still held right before its request leaves, and sends none where it is not', async () => {
    const refusal = new StepFailure('cancelled', 'The step was not begun.', { retryable: false });
    let isHeld = true;
    const context: StepContext = {
      tenantId: 'default',
      executionId: '1',
      step: 'move',
      wave: 1,
      attempt: 1,
      claimNo: 1,
      idempotencyKey: '1/move/1/-/action',
      signal: new AbortController().signal,
      timeoutMs: null,
      auth: new Map(),
      admit: () => Promise.resolve(),
      assertHeld: () => {
        if (!isHeld) throw refusal;
      },
      mayAsk: false,
      answered: null,
      secretForms: () => [],
      report: () => undefined,
    };
    const sent: string[] = [];
    // As the client does: it says so once there is a connection.
    const fetch = async ({ url, beforeSending }: OutboundRequest) => {
      await Promise.resolve();
      beforeSending?.();
      sent.push(url);
      return { status: 200, url, headers: {}, body: Buffer.from('[{"a": 1}]') };
    };
    const call = { endpoint: 'http://source.test/rows', method: 'GET', headers: {}, query: {}, body: null, verify: true };
    const rows = () => httpRows({ type: 'http', call, data_path: [] }, null, { fetch } as unknown as Outbound, context);

    expect(await (await rows()).next(10)).toMatchObject({ columns: ['a'], rows: [['1']] });
    isHeld = false;
    await expect(rows()).rejects.toBe(refusal);
    expect(sent).toHaveLength(1);
  });
});
