/** What names a call within its step; each attempt has a child of its own. */
export const itemOf = (path: string, attempt: number): string | null => (attempt > 1 ? `${path}#${attempt}` : path === '' ? null : path);
export const pathOfItem = (item: string | null): string => (item ?? '').replace(/#\d+$/, '');
