import { parseOutboundAllow } from './allow-list.js';
import { DestinationCheck } from './destination.js';
import { OwnDatabase } from './own-database.js';

describe(DestinationCheck.name, () => {
  it('judges anew once the addresses of the own database are others', async () => {
    let now = 0;
    let address = '93.184.215.14';
    const own = new OwnDatabase(
      [{ host: 'db.example', port: 5432 }],
      () => Promise.resolve([address]),
      () => now,
    );
    const check = new DestinationCheck(parseOutboundAllow(''), own, () => Promise.resolve([]));
    const reach = (host: string) => check.destinationAt(host, 5432, new AbortController().signal);
    await expect(reach('93.184.215.14')).rejects.toMatchObject({ code: 'outbound_blocked' });
    await expect(reach('93.184.215.15')).resolves.toMatchObject({ addresses: ['93.184.215.15'] });

    address = '93.184.215.15';
    now = 31_000;
    await expect(reach('93.184.215.15')).rejects.toMatchObject({ code: 'outbound_blocked' });
    await expect(reach('93.184.215.14')).resolves.toMatchObject({ addresses: ['93.184.215.14'] });
  });

  it('refuses where the signal has fired already', async () => {
    const check = new DestinationCheck(parseOutboundAllow(''), new OwnDatabase([], () => Promise.resolve([])), () => Promise.resolve([]));
    await check.destinationAt('93.184.215.14', 80, new AbortController().signal);
    const reason = new Error('over');
    await expect(check.destinationAt('93.184.215.14', 80, AbortSignal.abort(reason))).rejects.toBe(reason);
  });
});
