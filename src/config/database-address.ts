/** The address of a database as it may be shown. The driver takes a password also from the query. */
export function withoutPassword(address: string): string {
  const shown = new URL(address);
  if (shown.password !== '') shown.password = '***';
  for (const name of new Set(shown.searchParams.keys())) if (/password/i.test(name)) shown.searchParams.set(name, '***');
  return shown.href;
}
