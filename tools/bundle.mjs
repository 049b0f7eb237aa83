// Writes each service as one file, apps/<service>/dist/bundle/main.js, with the parts that load lazily beside it:
//
//   node tools/bundle.mjs                        all services
//   node tools/bundle.mjs <main file> <folder>   one program, into that folder
//
// A service is over a thousand small files, and finding them takes longer than everything else that it does to start. The platform
// starts a bundle when it was made of the build that lies there (apps/cli/src/platform/program.ts), and the build itself otherwise.
import { existsSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import 'reflect-metadata';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const SERVICES = ['engine', 'state-service', 'nlp-service', 'agent-coordinator', 'gateway', 'simulated-agent'];

/** The first has to come before everything else; the others find files of their own beside them, or load lazily and are large. */
const SEPARATE = ['reflect-metadata', 'pino', 'typeorm', '@anthropic-ai/sdk', 'openai', 'swagger-ui-dist'];

/** What CommonJS packages expect to find. */
const BANNER = "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);";

const NAME = /^[A-Za-z_$][\w$]*$/;
const NOT_NAMED = new Set(['default', 'module.exports']);

/** All that a package exports, as Node tells it: of one in CommonJS a bundle of several files would only hand on the default. */
async function asNodeHasIt(path) {
  const all = await import(pathToFileURL(path).href);
  const names = Object.keys(all).filter((name) => NAME.test(name) && !NOT_NAMED.has(name));
  const named = `export const { ${names.join(', ')} } = all;`;
  return `import * as all from ${JSON.stringify(path)};\n${named}\nexport default all.default;\n`;
}

/** Packages that load when they are needed. Some are not there: a bundle then looks for them when it is asked to, as others would. */
const latePackages = {
  name: 'late-packages',
  setup({ onResolve, onLoad, resolve: find }) {
    onResolve({ filter: /^[^./]/ }, async ({ path, pluginData, importer, namespace, resolveDir, kind }) => {
      if (pluginData === 'found' || kind === 'import-statement') return undefined;
      const found = await find(path, { importer, namespace, resolveDir, kind, pluginData: 'found' });
      if (found.errors.length > 0) return { path, external: true };
      if (kind !== 'dynamic-import' || found.external || found.namespace !== 'file') return found;
      return { path: found.path, namespace: 'late' };
    });
    onLoad({ filter: /.*/, namespace: 'late' }, async ({ path }) => ({ contents: await asNodeHasIt(path), resolveDir: dirname(path) }));
  },
};

/** A file that looks for others from where it lies goes on looking from there. */
const whereFilesLie = (outdir) => ({
  name: 'where-files-lie',
  setup({ onLoad }) {
    onLoad({ filter: /\.m?js$/ }, ({ path }) => {
      const text = readFileSync(path, 'utf8');
      if (!text.includes('import.meta.url')) return undefined;
      const place = `new URL(${JSON.stringify(relative(outdir, path))}, import.meta.url).href`;
      return { contents: text.replaceAll('import.meta.url', place), loader: 'js' };
    });
  },
});

const stampOf = (path) => {
  const { mtimeMs, size } = statSync(path);
  return `${mtimeMs} ${size}`;
};

const NAMED_CLASS = /static \{\s*__name\(this, ("[^"]*")\);\s*\}/g;
const NAMING = /var __name = \(target, value\) => .*;/;

/**
 * Classes keep their names; functions need not. The bundler names every function that it cannot leave unnamed when that is made, which for
 * those made inside others is at every call.
 */
function nameClassesOnly(file) {
  const text = readFileSync(file, 'utf8');
  const classesNamed = text.replaceAll(NAMED_CLASS, 'static { Object.defineProperty(this, "name", { value: $1, configurable: true }); }');
  const done = classesNamed.replace(NAMING, 'var __name = (target) => target;');
  writeFileSync(file, done);
  return done !== classesNamed;
}

async function bundle(mainFile, outdir) {
  rmSync(outdir, { recursive: true, force: true });
  const { metafile } = await build({
    entryPoints: [mainFile],
    outdir,
    absWorkingDir: ROOT,
    bundle: true,
    splitting: true,
    platform: 'node',
    format: 'esm',
    target: 'node20',
    // Nest tells providers apart, and errors are told apart, by the names of their classes.
    keepNames: true,
    external: SEPARATE,
    banner: { js: BANNER },
    plugins: [latePackages, whereFilesLie(outdir)],
    metafile: true,
    logLevel: 'error',
  });
  const written = Object.keys(metafile.outputs).map((path) => nameClassesOnly(resolve(ROOT, path)));
  if (!written.includes(true)) throw new Error('the bundler names functions in another way than this script knows');
  const ours = Object.keys(metafile.inputs).filter((path) => !path.split('/').includes('node_modules'));
  const sources = [...ours, join('node_modules', '.package-lock.json')].filter((path) => existsSync(resolve(ROOT, path)));
  const madeOf = Object.fromEntries(sources.map((path) => [relative(outdir, resolve(ROOT, path)), stampOf(resolve(ROOT, path))]));
  writeFileSync(join(outdir, 'made-of.json'), `${JSON.stringify(madeOf, null, 1)}\n`);
}

const bundleService = (service) => bundle(join(ROOT, 'apps', service, 'dist', 'main.js'), join(ROOT, 'apps', service, 'dist', 'bundle'));

const [mainFile, folder] = process.argv.slice(2);
if (mainFile === undefined || folder === undefined) await Promise.all(SERVICES.map(bundleService));
else await bundle(resolve(mainFile), resolve(folder));
