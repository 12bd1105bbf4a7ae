import { type JsonObject } from '../../../src/engine/values.js';
import { hourly } from './routes.js';
import { eventsOf, World } from './world.js';

const SHORT = 'tests/fixtures/playbooks';
const FORECAST = 'https://api.open-meteo.com/v1/forecast';

let world: World;
beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world.stop());
beforeEach(() => world.standIns.forget());

const asked = (): readonly string[] => world.standIns.requests.map(({ method, url }) => `${method} ${url}`);

/** What aggregate_results makes of the forecasts of three cities; it knows nobody's name, because an HTTP value has none. */
function summary(message: string): JsonObject {
  const summaries = [51, 48, 52].map((latitude) => {
    const readings = hourly(latitude);
    return {
      city_name: 'Unknown',
      city_lat: null,
      city_lon: null,
      temperature_readings: 24,
      average_temperature: latitude - 40 + 5.75,
      min_temperature: readings[0]!,
      max_temperature: readings[23]!,
    };
  });
  return {
    message,
    total_cities: 3,
    successful_requests: 3,
    failed_requests: 0,
    total_temperature_readings: 72,
    overall_average_temperature: 16.08, // (16.75 + 13.75 + 17.75) / 3
    weather_summaries: summaries,
    processing_complete: true,
  };
}

describe('real documents that call hosts by their names', () => {
  it.each([
    ['rootname/examples/test/loop_http_test.yaml', 'Testing HTTP loop over cities with weather API aggregation', ''],
    [
      `type/${SHORT}/loop_http_test_sequential.yaml`,
      'Testing HTTP loop over cities with weather API aggregation (sequential mode)',
      ' (sequential mode)',
    ],
  ])('%s asks for each city and sums up', async (file, message, mode) => {
    const run = await world.run(file);
    expect(run.ended).toMatchObject({ status: 'completed', progress: 100, error: null });
    expect(run.ended.result).toEqual({
      loop_http_response: summary(message),
      test_summary: `Completed weather HTTP loop test with 3 cities${mode}`,
    });
    const places = world.standIns.requests.map(({ query }) => query);
    const expected = [
      ['51.51', '-0.13'],
      ['48.85', '2.35'],
      ['52.52', '13.41'],
    ].map(([latitude, longitude]) => ({ latitude, longitude, hourly: 'temperature_2m', forecast_days: '1' }));
    // One after the other, or all at once in any order.
    if (mode === '') expect(places).toEqual(expect.arrayContaining(expected));
    else expect(places).toEqual(expected);
    expect(asked()).toEqual([`GET ${FORECAST}`, `GET ${FORECAST}`, `GET ${FORECAST}`]);
    for (const { headers } of world.standIns.requests)
      expect(headers).toMatchObject({ host: 'api.open-meteo.com', 'user-agent': 'NoETL HTTP Loop Test/1.0' });
  });

  it.each([
    [15, 'alert_step', { action: 'alert', city: 'London', temperature: 22.5, max_temp: 22.5, alert: true }],
    [30, 'log_step', { action: 'log', city: 'London', max_temp: 22.5, alert: false }],
  ])('city_process with a threshold of %i goes to %s', async (threshold, step, value) => {
    const city = { name: 'London', lat: 51.51, lon: -0.13 };
    const run = await world.run('oct2025/examples/weather/city_process.yaml', {
      city,
      base_url: 'unused',
      temperature_threshold: threshold,
    });
    expect(run.ended).toMatchObject({ status: 'completed' });
    // end.result is the evaluation, whatever branch was taken.
    expect(run.ended.result).toEqual({ city: 'London', max_temp: 22.5, alert: threshold === 15 });
    expect(eventsOf(run, 'step_completed', step).map(({ result }) => result)).toEqual([value]);
    expect(run.events.filter(({ node_name }) => node_name === (step === 'log_step' ? 'alert_step' : 'log_step'))).toEqual([]);
    expect(asked()).toEqual([`GET ${FORECAST}`]);
    expect(world.standIns.requests[0]?.query).toMatchObject({ latitude: '51.51', longitude: '-0.13', hourly: 'temperature_2m' });
  });

  it.each(['call/playbook/weather.yaml', 'oct2025/examples/weather/weather_example.yaml'])(
    '%s calls from inside Python, which has no network',
    async (file) => {
      const run = await world.run(file);
      expect(run.ended).toMatchObject({ status: 'failed', result: null, error_details: { code: 'python_error', step: 'fetch_weather' } });
      expect(run.events.filter(({ node_name }) => node_name?.startsWith('report'))).toEqual([]);
      expect(asked()).toEqual([]);
    },
  );

  it.each([
    [`type/${SHORT}/retry_test/http_retry_status_code.yaml`, 'https://httpbin.org/status/503', 3],
    [`type/${SHORT}/retry_test/http_retry_with_stop.yaml`, 'https://httpbin.org/get', 1],
  ])('%s', async (file, url, requests) => {
    const { ended } = await world.run(file);
    if (requests === 3) {
      expect(ended).toMatchObject({ status: 'failed', error_details: { code: 'http_error', step: 'start', attempt: 3, retryable: true } });
    } else {
      const data = { args: {}, headers: { host: 'httpbin.org' }, json: null, url };
      expect(ended).toMatchObject({ status: 'completed', result: { status_code: 200, url, data } });
    }
    expect(asked()).toEqual(Array<string>(requests).fill(`GET ${url}`));
  });
});
