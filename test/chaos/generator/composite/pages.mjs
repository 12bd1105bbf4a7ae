import { PRIME } from '../arithmetic.mjs';
import { http } from '../steps.mjs';

/** Answers that come page by page; each page is an effect of its own, with attempts of its own. */
export const PAGE_BLOCKS = {
  pages: { weight: 1, make: (maker, input) => paged(maker, input, {}) },
  pages_retried: { weight: 1, make: (maker, input) => paged(maker, input, { fail: 1 }) },
};

/** What a page answers is what the next one asks for. */
function paged(maker, input, behaviour) {
  const step = maker.name('pages');
  const pages = maker.random.int(2, 4);
  const attempts = 1 + (behaviour.fail ?? 0);
  const retry = {
    ...(attempts > 1 ? { on_error: { max_attempts: attempts, initial_delay: 0.05, backoff_multiplier: 1, jitter: false } } : {}),
    on_success: {
      while: '{{ response.more }}',
      max_attempts: pages + 2,
      next_call: { data: { page: '{{ response.page + 1 }}', input: '{{ response.v }}' } },
      collect: { strategy: 'append', path: 'v', into: 'got' },
    },
  };
  return {
    entry: step,
    steps: (next) => [http(maker, step, input, { page: 1, pages, ...behaviour }, { retry, next })],
    output: `(${step} | sum) % ${PRIME}`,
    predict: (run, value) => {
      let asked = value;
      let sum = 0;
      for (let page = 0; page < pages; page++) {
        asked = run.effect(step, asked, { part: `p${page}`, attempts, delayMs: 50 });
        sum += asked;
      }
      return sum % PRIME;
    },
  };
}
