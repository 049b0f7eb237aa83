// Makes a fresh clone runnable, then runs something in it:
//
//   node tools/bootstrap.mjs <script> [arguments]
//
// Checks Node, installs the packages when they differ from the lock file, builds what changed, and goes on. It is plain JavaScript
// without dependencies, because it runs before anything is installed.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
const LOCK = join(ROOT, '.bootstrap.lock');
const LOCK_WAIT_MS = 15 * 60_000;
const STAMP = join(ROOT, 'node_modules', '.cache', 'taskmaster', 'built');
const CLI = join(ROOT, 'apps', 'cli', 'dist', 'main.js');
const JEST = [
  '--experimental-vm-modules',
  '--disable-warning=ExperimentalWarning',
  join(ROOT, 'node_modules', 'jest', 'bin', 'jest.js'),
  '--config',
  join(ROOT, 'jest.config.mjs'),
];

/** Something a user can mend; printed without a stack. */
class Refusal extends Error {}

const say = (text) => process.stderr.write(`${text}\n`);
const readJson = (path) => JSON.parse(readFileSync(path, 'utf8'));

/** The version numbers of a Node that can run this: what package.json calls `engines`. */
export function supportsNode(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  return (major === 20 && minor >= 19) || (major === 22 && minor >= 12) || major > 22;
}

/** Whether node_modules holds what the lock file asks for. npm writes its own copy of the lock there when an installation is complete. */
export function installedMatches(lock, installed) {
  if (installed === undefined) return false;
  return Object.entries(lock.packages).every(([path, wanted]) => {
    if (path === '' || wanted.optional || wanted.devOptional || wanted.peer) return true;
    if (!path.startsWith('node_modules/')) return true;
    const found = installed.packages[path];
    return found !== undefined && (wanted.link === true || found.version === wanted.version);
  });
}

/** How many packages an installation holds; our own projects are links in it, and the lock file also names those of other systems. */
export const packagesIn = (installed) =>
  Object.entries(installed.packages).filter(([path, found]) => path.includes('node_modules/') && found.link !== true).length;

/** `--grep text` is what people type; jest calls it `-t`. */
export function jestArguments(given) {
  return given.flatMap((argument) => {
    if (argument === '--grep') return ['-t'];
    return argument.startsWith('--grep=') ? ['-t', argument.slice('--grep='.length)] : [argument];
  });
}

/** Runs a program to its end and passes signals on; answers its exit code and what it wrote to stderr. */
function run(command, args, { keepErrors = false } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['inherit', 'inherit', keepErrors ? 'pipe' : 'inherit'] });
    let errors = '';
    let stoppedBy;
    child.stderr?.on('data', (chunk) => {
      errors += chunk;
      process.stderr.write(chunk);
    });
    const passOn = (signal) => {
      stoppedBy = signal;
      child.kill(signal);
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, passOn);
    const done = () => ['SIGINT', 'SIGTERM', 'SIGHUP'].forEach((signal) => process.off(signal, passOn));
    child.once('error', (fault) => {
      done();
      reject(new Refusal(`${command} could not be started: ${fault.message}`));
    });
    child.once('close', (code, signal) => {
      done();
      if (stoppedBy !== undefined) process.exit(stoppedBy === 'SIGINT' ? 130 : 143);
      resolve({ code: code ?? (signal === 'SIGINT' ? 130 : 143), errors });
    });
  });
}

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return true;
  } catch (fault) {
    return fault.code === 'EPERM';
  }
};

/** One installation or build at a time in one clone; the lock of a process that is gone is nobody's. */
async function alone(work) {
  const end = Date.now() + LOCK_WAIT_MS;
  for (;;) {
    try {
      const file = openSync(LOCK, 'wx');
      writeFileSync(file, String(process.pid));
      closeSync(file);
      break;
    } catch (fault) {
      if (fault.code !== 'EEXIST') throw new Refusal(`this folder cannot be written to (${fault.code ?? fault.message}): ${ROOT}`);
    }
    const holder = existsSync(LOCK) ? Number(readFileSync(LOCK, 'utf8')) : 0;
    if (holder > 0 && !isAlive(holder)) rmSync(LOCK, { force: true });
    else if (Date.now() > end)
      throw new Refusal(`process ${holder} has been preparing this folder for too long; delete ${LOCK} if it is gone`);
    else await new Promise((resolve) => setTimeout(resolve, 200));
  }
  const release = () => rmSync(LOCK, { force: true });
  process.once('exit', release);
  try {
    return await work();
  } finally {
    release();
    process.off('exit', release);
  }
}

const UNREACHABLE = /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|ERR_SOCKET_TIMEOUT|ENOTCACHED|network/i;

function installationFailed(errors) {
  if (UNREACHABLE.test(errors)) {
    return new Refusal(
      [
        'The packages could not be downloaded: the npm registry does not answer.',
        '  - Is this machine online? `npm ping` asks the registry, `npm config get registry` names it.',
        '  - Behind a proxy: `npm config set proxy URL` and `npm config set https-proxy URL`.',
        '  - With packages already in the npm cache: `npm ci --offline`.',
        'Nothing was started. Run the same command again afterwards.',
      ].join('\n'),
    );
  }
  return new Refusal('The packages could not be installed: `npm ci` says why above. Nothing was started.');
}

async function install() {
  const lock = readJson(join(ROOT, 'package-lock.json'));
  const hidden = join(ROOT, 'node_modules', '.package-lock.json');
  const matches = () => installedMatches(lock, existsSync(hidden) ? readJson(hidden) : undefined);
  if (matches()) return;
  await alone(async () => {
    if (matches()) return;
    const begin = Date.now();
    say('installing the packages (npm ci), once; about a minute …');
    const npm = process.env.npm_execpath?.endsWith('.js') ? [process.execPath, process.env.npm_execpath] : ['npm'];
    const options = ['--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];
    const patience = ['--fetch-retries=2', '--fetch-retry-mintimeout=1000', '--fetch-retry-maxtimeout=5000'];
    const { code, errors } = await run(npm[0], [...npm.slice(1), 'ci', ...options, ...patience], { keepErrors: true });
    if (code !== 0) throw installationFailed(errors);
    const count = existsSync(hidden) ? packagesIn(readJson(hidden)) : 0;
    say(`installed ${count} packages in ${((Date.now() - begin) / 1000).toFixed(0)} s`);
  });
}

const projects = () =>
  [...['libs', 'apps'].flatMap((group) => readdirSync(join(ROOT, group)).map((name) => join(group, name))), 'tools', 'tests'].filter(
    (path) => existsSync(join(ROOT, path, 'tsconfig.lib.json')),
  );

const NOT_SOURCE = new Set(['node_modules', 'dist', 'out-tsc', 'fixtures']);

/** Every source's name, size and time: equal fingerprints mean that nothing has to be built. */
function fingerprint() {
  const hash = createHash('sha256');
  const add = (path) => {
    const { mtimeMs, size } = statSync(path);
    hash.update(`${path} ${mtimeMs} ${size}\n`);
  };
  const walk = (folder) => {
    for (const entry of readdirSync(folder, { withFileTypes: true })) {
      const path = join(folder, entry.name);
      if (entry.isDirectory()) NOT_SOURCE.has(entry.name) || walk(path);
      else if (/\.(?:ts|tsx|json|sql)$/.test(entry.name) && !entry.name.endsWith('.spec.ts')) add(path);
    }
  };
  add(join(ROOT, 'tsconfig.base.json'));
  for (const project of projects()) {
    walk(join(ROOT, project));
  }
  return hash.digest('hex');
}

async function build() {
  const isBuilt = () =>
    existsSync(STAMP) &&
    readFileSync(STAMP, 'utf8') === fingerprint() &&
    projects().every((path) => existsSync(join(ROOT, path, 'dist', '.tsbuildinfo')));
  if (isBuilt()) return;
  await alone(async () => {
    if (isBuilt()) return;
    const begin = Date.now();
    say('building what changed …');
    const sources = fingerprint();
    const tsc = join(ROOT, 'node_modules', 'typescript', 'bin', 'tsc');
    const { code } = await run(process.execPath, [tsc, '-b', ...projects().map((path) => join(path, 'tsconfig.lib.json'))]);
    if (code !== 0) throw new Refusal('The build failed: the compiler says why above. Nothing was started.');
    const bundled = await run(process.execPath, [join(ROOT, 'tools', 'bundle.mjs')]);
    if (bundled.code !== 0) throw new Refusal('The build failed: the services could not be bundled, see above. Nothing was started.');
    mkdirSync(dirname(STAMP), { recursive: true });
    writeFileSync(STAMP, sources);
    say(`built in ${((Date.now() - begin) / 1000).toFixed(0)} s`);
  });
}

/** `npx task-master`: npm links commands while it installs, when this one is not built yet. */
function linkCommand() {
  const link = join(ROOT, 'node_modules', '.bin', 'task-master');
  if (existsSync(link) || process.platform === 'win32' || !existsSync(CLI)) return;
  rmSync(link, { force: true });
  chmodSync(CLI, 0o755);
  symlinkSync(relative(dirname(link), CLI), link);
}

/** Goes on as another program in this process: no second Node, and signals need no passing on. */
async function become(path, args) {
  process.argv = [process.execPath, path, ...args];
  await import(pathToFileURL(path).href);
}

const jest =
  (...selection) =>
  async (given) => {
    const { code } = await run(process.execPath, [...JEST, ...selection, ...jestArguments(given)]);
    process.exitCode = code;
  };

const program =
  (...path) =>
  (given) =>
    become(join(ROOT, ...path), given);

/** What package.json's scripts run. */
const SCRIPTS = {
  build: () => {},
  start: (given) => become(CLI, ['up', ...given]),
  demo: (given) => become(CLI, ['demo', ...given]),
  'task-master': (given) => become(CLI, given),
  dev: program('tools', 'dist', 'dev.js'),
  generate: program('tools', 'dist', 'generate.js'),
  tidy: program('tools', 'dist', 'tidy.js'),
  test: jest(),
  'test:unit': jest('--testPathIgnorePatterns', String.raw`\.int\.spec\.ts$`, '/tests/', '/dist/', '/fixtures/'),
  'test:integration': jest('--testPathPatterns', String.raw`\.int\.spec\.ts$`),
  'test:e2e': jest('--testPathPatterns', '/tests/e2e/'),
  'test:coverage': jest('--coverage', '--coverageProvider=v8'),
  'test:performance': program('tests', 'dist', 'performance', 'main.js'),
  'bench:peers': program('tests', 'dist', 'peers', 'main.js'),
  'bench:growth': program('tests', 'dist', 'performance', 'growth', 'main.js'),
  'bench:hops': program('tests', 'dist', 'performance', 'hops', 'main.js'),
  simulate: program('tests', 'dist', 'simulation', 'main.js'),
  'test:safeguards': program('tests', 'dist', 'safeguards', 'main.js'),
  'test:torture': program('tests', 'dist', 'torture', 'main.js'),
  torture: program('tests', 'dist', 'torture', 'torture.js'),
};

async function main([name, ...given]) {
  if (!supportsNode(process.versions.node)) {
    throw new Refusal(
      `TaskMaster needs Node 20.19 or a later 20, or 22.12 and later; this is ${process.versions.node} (${process.execPath}).`,
    );
  }
  const script = Object.hasOwn(SCRIPTS, name ?? '') ? SCRIPTS[name] : undefined;
  if (script === undefined) throw new Refusal(`usage: node tools/bootstrap.mjs ${Object.keys(SCRIPTS).join(' | ')} [arguments]`);
  await install();
  await build();
  linkCommand();
  await script(given);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  main(process.argv.slice(2)).catch((fault) => {
    if (!(fault instanceof Refusal)) throw fault;
    say(fault.message);
    process.exitCode = 1;
  });
}
