import { type Server } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';
import { RegistrationService } from './catalog/registration.service.js';
import { ClosingDoor } from './common/closing-door.js';
import { withoutPassword } from './config/database-address.js';
import { loadSettings, type Settings } from './config/settings.js';
import { SettingsError } from './config/settings-error.js';
import { registerExamples } from './examples/shipped-examples.js';
import { createHttpApp } from './http-app.js';
import { createLogger, flushLog, type Logger } from './observability/logger.js';
import { Readiness } from './observability/readiness.js';
import { startEmbeddedPostgres } from './storage/embedded/embedded-postgres.js';
import { databaseFailure, embeddedFailure, listenFailure, StartFailure } from './start-failure.js';
import { runMigrations } from './storage/connection/run-migrations.js';
import { type DatabaseAddress } from './storage/storage.module.js';

/** A shutdown that takes longer than this is cut off (R12). */
const SHUTDOWN_MS = 25_000;

interface Database extends DatabaseAddress {
  stop(): Promise<void>;
}

/** Runs the service until a signal stops it. Where it cannot start it says why and ends the process with 1. */
export async function runService(): Promise<void> {
  try {
    await start();
  } catch (error) {
    const isTold = error instanceof SettingsError || error instanceof StartFailure;
    const text = error instanceof Error ? (isTold ? error.message : error.stack) : String(error);
    process.stderr.write(`${text}\n`);
    process.exit(1);
  }
}

async function start(): Promise<void> {
  const settings = loadSettings(process.env);
  const logger = createLogger(settings.logLevel);
  for (const warning of settings.warnings) logger.warn(warning);
  const startedAt = performance.now();
  say(settings.databaseUrl === null ? `Starting the embedded PostgreSQL below ${settings.dataDir} ...` : 'Connecting to PostgreSQL ...');
  const database = await openDatabase(settings, logger);
  const stopDatabase = (): Promise<void> => database.stop();
  let app: NestFastifyApplication | null = null;
  try {
    const migrations = await runMigrations(database.url, logger).catch((error: unknown) => {
      throw databaseFailure(error, database.url);
    });
    if (migrations.length > 0) say(`Migrated the database: ${migrations.join(', ')}`);
    app = await createHttpApp(AppModule.on(database, settings, logger), settings, logger);
    stopOnSignals(app, logger, stopDatabase);
    if (settings.examples) await registerExamples(app.get(RegistrationService, { strict: false }), logger);
    await app.listen(settings.port, settings.host).catch((error: unknown) => {
      throw listenFailure(error, settings.host, settings.port);
    });
    const address = await app.getUrl();
    say(
      [
        `Showrunner is ready (${((performance.now() - startedAt) / 1000).toFixed(1)} s).`,
        `  API        ${address}`,
        `  Docs       ${address}/docs   (OpenAPI: ${address}/openapi.json)`,
        `  Database   ${withoutPassword(database.url)}${settings.databaseUrl === null ? `   (whole address: ${settings.dataDir}/database.url)` : ''}`,
      ].join('\n'),
    );
  } catch (error) {
    // It works already, whether its port was free or not: executions that it took go back at once, or each such start would count as a crash of theirs.
    if (app !== null) await closeInTime(app, logger);
    await stopDatabase();
    throw error;
  }
}

/** For a start that failed: what hinders the closing is not what the operator has to know. */
async function closeInTime(app: NestFastifyApplication, logger: Logger): Promise<void> {
  const cutOff = new AbortController();
  const late = delay(SHUTDOWN_MS, undefined, { signal: cutOff.signal, ref: false });
  await Promise.race([app.close(), late]).catch((error: unknown) => logger.error({ err: error }, 'what had begun could not be ended'));
  cutOff.abort();
}

async function openDatabase(settings: Settings, logger: Logger): Promise<Database> {
  const { databaseUrl, databaseDirectUrl } = settings;
  if (databaseUrl !== null) return { url: databaseUrl, directUrl: databaseDirectUrl ?? databaseUrl, stop: () => Promise.resolve() };
  const { dataDir } = settings;
  const embedded = await startEmbeddedPostgres({ dataDir, log: (message) => logger.info(message) }).catch((error: unknown) => {
    throw embeddedFailure(error, dataDir);
  });
  return { url: embedded.url, directUrl: embedded.url, stop: embedded.stop };
}

/** The first signal drains and stops, a second one exits at once. */
function stopOnSignals(app: NestFastifyApplication, logger: Logger, stopDatabase: () => Promise<void>): void {
  const door = new ClosingDoor(app.getHttpServer() as Server);
  let stopping = false;
  const stop = async (signal: string): Promise<void> => {
    if (stopping) process.exit(1);
    stopping = true;
    logger.info({ signal }, 'stopping');
    const cutOff = setTimeout(() => {
      logger.fatal('the shutdown took too long');
      logger.flush(() => process.exit(1));
    }, SHUTDOWN_MS);
    app.get(Readiness, { strict: false }).drain();
    await door.close();
    await app.close();
    await stopDatabase();
    clearTimeout(cutOff);
    logger.info('stopped');
    await flushLog(logger);
    process.exit(0);
  };
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    process.on(signal, () => {
      stop(signal).catch((error: unknown) => {
        logger.fatal({ err: error }, 'the shutdown failed');
        logger.flush(() => process.exit(1));
      });
    });
  }
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}
