import { ProgressReports } from './progress-reports.js';

describe(ProgressReports.name, () => {
  const recorded: unknown[] = [];
  let pauses: (() => void)[] = [];
  let asked = 0;
  const clock = {
    after: (_ms: number, fire: () => void) => {
      pauses.push(fire);
      return () => void (pauses = pauses.filter((each) => each !== fire));
    },
  };
  const make = (): ProgressReports =>
    new ProgressReports(clock, (report) => recorded.push([report.progress, report.total, report.message]));
  const said = (progress: number, total: number | null = null, text: string | null = null) => ({
    progress,
    total,
    message: () => {
      asked += 1;
      return text;
    },
  });
  const pass = (): void => pauses.splice(0).forEach((fire) => fire());
  beforeEach(() => {
    recorded.length = pauses.length = asked = 0;
  });

  it('records the first at once, and of a flood the newest after a pause', () => {
    const reports = make();
    for (let progress = 1; progress <= 100_000; progress += 1) reports.hear(said(progress));
    expect([recorded, asked]).toEqual([[[1, null, null]], 1]);
    pass();
    expect(recorded).toEqual([
      [1, null, null],
      [100_000, null, null],
    ]);
    pass();
    reports.hear(said(100_001));
    expect(recorded).toHaveLength(3);
  });

  it('hears only what is more than before, and no numbers that are none', () => {
    const reports = make();
    for (const progress of [-1, Number.NaN, Infinity, 3, 3, 2]) reports.hear(said(progress));
    pass();
    expect(recorded).toEqual([[3, null, null]]);
  });

  it('keeps totals that can be, and texts that can be stored', () => {
    const reports = make();
    const all = [said(1, 0), said(2, 1), said(3, Number.NaN), said(4, 4, ''), said(5, 8, `a\0b\ud800${'x'.repeat(2_000)}`)];
    for (const one of all) {
      reports.hear(one);
      pass();
    }
    expect(recorded.slice(0, 4)).toEqual([
      [1, null, null],
      [2, null, null],
      [3, null, null],
      [4, 4, null],
    ]);
    expect(recorded[4]).toEqual([5, 8, `ab\ufffd${'x'.repeat(996)}`]);
  });

  it('is through after so many, and when the attempt is over', () => {
    const reports = make();
    for (let progress = 0; progress < 300; progress += 1) {
      reports.hear(said(progress));
      pass();
    }
    expect(recorded).toHaveLength(100);
    const other = make();
    other.hear(said(1));
    other.hear(said(2));
    other.close();
    pass();
    other.hear(said(3));
    expect(recorded).toHaveLength(101);
    expect(pauses).toEqual([]);
  });
});
