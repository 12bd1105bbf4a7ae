/** A template in SQL whose place cannot be known, found when the playbook is registered. */
export class SqlPlaceError extends Error {
  constructor(message: string) {
    super(message);
    this.name = 'SqlPlaceError';
  }
}
