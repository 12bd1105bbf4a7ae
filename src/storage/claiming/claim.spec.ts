import { type DataSource } from 'typeorm';
import { claimDue, UnreadableClaim } from './claim.js';
import { STANDARD_LEASE } from '../lease-term.js';

const LOST = new Error('Connection terminated unexpectedly');
const BROKEN = new SyntaxError('Unexpected end of JSON input');

/** A database in which one row is claimed, and what belongs to it cannot be read. */
function failing(reading: Error, alive: boolean): DataSource {
  const query = async (text: string): Promise<unknown> => {
    if (text.includes('gen_random_uuid()')) return [[{ id: '1', last_seq: 1 }], 1];
    if (text !== 'SELECT 1') throw reading;
    if (!alive) throw reading;
    return [];
  };
  return { transaction: (work: (tx: { query: typeof query }) => Promise<unknown>) => work({ query }) } as unknown as DataSource;
}

describe(claimDue.name, () => {
  it('says which executions cannot be read', async () => {
    await expect(claimDue(failing(BROKEN, true), STANDARD_LEASE, 1, [])).rejects.toEqual(new UnreadableClaim(['1'], { cause: BROKEN }));
  });

  it('takes a connection that is lost meanwhile for no fault of the rows', async () => {
    await expect(claimDue(failing(LOST, false), STANDARD_LEASE, 1, [])).rejects.toBe(LOST);
  });
});
