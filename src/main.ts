import module from 'node:module';

const OLDEST_NODE = 24;

if (Number(process.versions.node.split('.')[0]) < OLDEST_NODE) {
  process.stderr.write(
    `Node.js ${OLDEST_NODE} or newer is needed, this is ${process.version}. On Linux, npm start brings its own: run it that way.\n`,
  );
  process.exit(1);
}

// Traces name lines of our sources. This comes before anything is loaded, because `--enable-source-maps` would read the maps of all dependencies too.
module.setSourceMapsSupport(true, { nodeModules: false, generatedCode: false });

const { runService } = await import('./run-service.js');
await runService();
