/**
 * What one check of a value may cost, in units of about 50 nanoseconds: a schema of a few lines can ask for any amount of work
 * (references that branch, patterns over long texts), and the check runs on the event loop.
 */
export const CHECK_BUDGET = 10_000_000;

class BudgetSpent extends Error {}

let left = 0;

/** Counts work against the budget of the check that is going on. @throws where it is spent */
export function spend(units: number): void {
  left -= units;
  if (left < 0) throw new BudgetSpent();
}

/** Does work within a budget; null where it takes more, or recurs without end. */
export function withinBudget<Result>(units: number, work: () => Result): Result | null {
  left = units;
  try {
    return work();
  } catch (error) {
    // A schema that refers to itself in place overflows the stack before the budget is spent.
    if (error instanceof BudgetSpent || error instanceof RangeError) return null;
    throw error;
  }
}
