/** Rules that the simulated database or node can be told to break, to see that the checks notice. None of them exists in the product. */
export const MUTANTS = {
  no_token: 'the fence does not ask for the token',
  no_last_seq: 'neither the fence nor the primary key of events asks whose turn it is',
  release_ignores_inbox: 'a release does not ask for the inbox',
  end_ignores_cancel: 'an end asks neither for the inbox nor for an acknowledged cancel',
  sweep_skips_expired: 'nobody takes over expired leases',
  claim_hides_inbox: 'a claim does not say that there are unread messages',
  commit_hides_cancel: 'a commit does not say that there is an unread cancel',
  approvals_stay_open: 'the end of a step or a run closes no approval',
  expiry_decides_alone: 'an approval expires although it was decided in time',
  app_clock: 'claims go by the clock of the node, which is ahead',
  own_clock: 'due times go by the clock of the machine',
  ack_before_commit: 'a start is acknowledged before its commit',
  effect_before_commit: 'an effect begins before its started event is committed',
  ended_call_sleeps: 'a program that was just told of the end of its call is taken for asleep',
  lost_reply_is_lost: 'a broken connection counts as not stored',
} as const;
export type Mutant = keyof typeof MUTANTS;
