import { condemnsConnection, isTransient } from './sql-state.js';

it.each(['25P03', '25P04'])(
  'a session that the server ended because its transaction stood still (%s) says nothing of the data (D8)',
  (state) => {
    expect(isTransient(state)).toBe(true);
    expect(condemnsConnection(state)).toBe(true);
  },
);

it('a statement that is wrong stays wrong', () => {
  expect(isTransient('42601')).toBe(false);
  expect(condemnsConnection('42601')).toBe(false);
});
