import { databaseFailure, embeddedFailure, listenFailure, StartFailure } from './start-failure.js';

const failing = (code: string): Error => Object.assign(new Error(`${code}: no`), { code });

it('leaves faults of ours as they are, with their stacks', () => {
  const fault = new TypeError('x is undefined');
  expect([embeddedFailure(fault, '/data'), databaseFailure(fault, 'postgres://a@b/c'), listenFailure(fault, '::', 1)]).toEqual([
    fault,
    fault,
    fault,
  ]);
});

it('tells what the embedded database itself says, and what helps where the folder cannot be used', () => {
  const said = embeddedFailure(new Error('The embedded PostgreSQL does not start.'), '/data');
  expect(said).toBeInstanceOf(StartFailure);
  expect(said).toMatchObject({ message: 'The embedded PostgreSQL does not start.' });
  expect(embeddedFailure(failing('ENOSPC'), '/data')).toMatchObject({
    message: 'DATA_DIR (/data) cannot be used: ENOSPC: no. Choose another one, or set DATABASE_URL.',
  });
});

it('tells why nobody can listen', () =>
  expect(listenFailure(failing('EACCES'), '::', 80)).toMatchObject({
    message: 'Port 80 needs more rights than this user has. Set PORT to one above 1023.',
  }));
