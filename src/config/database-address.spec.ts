import { withoutPassword } from './database-address.js';

describe(withoutPassword.name, () => {
  it.each([
    ['postgres://ann:secret@db:5432/runs?sslmode=require', 'postgres://ann:***@db:5432/runs?sslmode=require'],
    ['postgres://db/runs?user=ann&password=secret', 'postgres://db/runs?user=ann&password=***'],
    ['postgres://db/runs?password=secret&password=secret2', 'postgres://db/runs?password=***'],
    ['postgres://ann@db/runs', 'postgres://ann@db/runs'],
  ])('%s is shown as %s', (address, shown) => expect(withoutPassword(address)).toBe(shown));
});
